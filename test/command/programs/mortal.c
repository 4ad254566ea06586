// test/command/programs/mortal.c: linked into a server of files, in front of
// its sip_serve_files(): it dies when a program says so.  Looking up
// "die-OP-WHEN" arms it: the next request OP ends it, WHEN it has done that (1)
// or before (0).

#include <sip_files.h>
#include <stdlib.h>
#include <string.h>

int32_t __real_sip_serve_files(uint32_t gate, const struct sip_files *files);
int32_t __wrap_sip_serve_files(uint32_t gate, const struct sip_files *files);

static const struct sip_files *real;
static uint32_t armed = UINT32_MAX;
static bool after;

static void
arm(const struct sip_file_request *q)
{
    char name[32] = "";

    if (q->head.op != NEBULET_FILE_LOOKUP || q->head.name_size >= sizeof(name))
        return;
    memcpy(name, q->name, q->head.name_size);
    if (strncmp(name, "die-", 4) != 0)
        return;
    char *end;
    armed = (uint32_t)strtoul(name + 4, &end, 10);
    after = end[0] == '-' && end[1] == '1';
}

static int32_t
serve(struct sip_file_request *q)
{
    bool dies = q->head.op == armed;

    if (dies && !after)
        __builtin_trap();
    int32_t error = real->ops[q->head.op](q);
    if (dies)
        __builtin_trap();
    arm(q);
    return error;
}

int32_t
__wrap_sip_serve_files(uint32_t gate, const struct sip_files *files)
{
    static struct sip_files mine;

    real = files;
    mine = *files;
    for (uint32_t i = 0; i < SIP_FILE_OPS; i++)
        mine.ops[i] = files->ops[i] != NULL ? serve : NULL;
    return __real_sip_serve_files(gate, &mine);
}
