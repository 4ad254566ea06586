// oci/create.c: `create`, `start` and `exec`.

#include "oci/oci.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct making {
    const struct command *command;
    const char *bundle, *pid_file, *console, *process, *cwd;
    bool detach, terminal;
    struct env env;
};

static bool
set_making(void *self, const struct option *o, const char *value)
{
    struct making *m = self;
    const struct {
        const char *name, **text;
    } texts[] = {
        {"--bundle",         &m->bundle  },
        {"-b",               &m->bundle  },
        {"--pid-file",       &m->pid_file},
        {"--console-socket", &m->console },
        {"--process",        &m->process },
        {"-p",               &m->process },
        {"--cwd",            &m->cwd     },
    };

    for (u32 i = 0; i < COUNT(texts); i++)
        if (strcmp(o->name, texts[i].name) == 0)
            *texts[i].text = value;
    if (strcmp(o->name, "--env") == 0 || strcmp(o->name, "-e") == 0)
        return env_add(&m->env, m->command, o, value);
    m->detach |= strcmp(o->name, "--detach") == 0 || strcmp(o->name, "-d") == 0;
    m->terminal |= strcmp(o->name, "--tty") == 0 || strcmp(o->name, "-t") == 0;
    return true;
}

static bool
check_console(const struct process_spec *p, const char *console)
{
    if (p->terminal && console == NULL)
        complain("process.terminal: there is no --console-socket for it");
    else if (!p->terminal && console != NULL)
        complain("--console-socket: the process has no terminal");
    else
        return true;
    return false;
}

// --- create ------------------------------------------------------------------

static int
undo(struct launch *l)
{
    launch_cancel(l);
    control_remove(l->container);
    container_remove(l->container);
    container_close(l->container);
    return 1;
}

static int
make(struct launch *l)
{
    struct container *c = l->container;
    struct spec *s = l->spec;

    bool limited =
        control_make(c) &&
        (s->resources == NULL || control_limit(c, &s->json, s->resources));
    if (!limited || !launch_begin(l) || !container_save(c) ||
        !launch_release(l))
        return undo(l);
    container_close(c);
    return 0;
}

static int
create(const struct making *m, const char *id)
{
    static struct container c = {.dir = -1, .lock = -1};
    static struct spec spec;
    char config[PATH_SIZE + 16];
    char *bundle = realpath(m->bundle, NULL);

    if (bundle == NULL || strlen(bundle) >= PATH_SIZE)
        return complain("bundle %s: %s", m->bundle, strerror(errno)), 1;
    snprintf(config, sizeof(config), "%s/config.json", bundle);
    if (!spec_read(&spec, config, bundle))
        return 1;
    if (!spec_is_ours(&spec))
        return hand_over();
    if (spec.new_user)
        json_refuse(&spec.json, "linux.namespaces",
                    "a program that is no process of Linux has no user "
                    "namespace");
    struct launch l = {.container = &c,
                       .spec = &spec,
                       .process = &spec.process,
                       .json = &spec.json,
                       .console = m->console,
                       .pid_file = m->pid_file,
                       .first = true};
    c.process_mode = spec.process_mode;
    snprintf(c.id, sizeof(c.id), "%s", id);
    snprintf(c.bundle, sizeof(c.bundle), "%s", bundle);
    int status = 1;
    if (!spec.json.failed && check_console(&spec.process, m->console) &&
        control_path(&c, spec.cgroups_path) && container_new(&c, id, config))
        status = make(&l);
    spec_free(&spec);
    free(bundle);
    return status;
}

static const struct option create_options[] = {
#define CREATE(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

static int
run_create(struct words words)
{
    struct making m = {.command = &command_create, .bundle = "."};
    struct words operands;
    int status = options_read(&command_create, &m, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = one_id(&command_create, &operands);
    return id != NULL ? create(&m, id) : STATUS_MISUSE;
}

const struct command command_create = {
    .name = "create",
    .operands = "ID",
    .summary = "make a container, whose program waits for start",
    .text = "Makes a container of a bundle: a directory with config.json, as "
            "the OCI runtime\nspecification says.",
    .options = create_options,
    .option_count = COUNT(create_options),
    .run = run_create,
};

// --- start -------------------------------------------------------------------

static int
start(const char *id)
{
    struct container c;
    struct json config;

    if (!container_open(&c, id, true))
        return 1;
    enum status status = container_status(&c);
    int result = 1;
    if (status != STATUS_CREATED)
        complain("cannot start a container that is %s", status_name(status));
    else {
        container_unlock(&c); // it may take its time, and be killed meanwhile
        if (launch_start(&c) && container_config(&c, &config)) {
            result = 0; // whatever those say
            if (!hooks_call(&c, &config, "poststart", STATUS_RUNNING))
                complain("note: the container runs nevertheless");
            json_free(&config);
        }
    }
    container_close(&c);
    return result;
}

static int
run_start(struct words words)
{
    struct words operands;
    int status = options_read(&command_start, NULL, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = our_id(&command_start, &operands, &status);
    return id != NULL ? start(id) : status;
}

const struct command command_start = {
    .name = "start",
    .operands = "ID",
    .summary = "let the program of a created container run",
    .text = "Lets the program of a created container run.",
    .run = run_start,
};

// --- exec --------------------------------------------------------------------

static pid_t child;

static void
pass_on(int number)
{
    kill(child, number);
}

static int
wait_for(pid_t pid)
{
    static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    int status;

    child = pid;
    for (u32 i = 0; i < COUNT(passed); i++)
        signal(passed[i], pass_on);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The container's own process with other words.
static bool
process_of_words(const struct making *m, struct spec *s, struct words words)
{
    cJSON *process = cJSON_GetObjectItemCaseSensitive(s->json.root, "process");
    cJSON *args =
        cJSON_CreateStringArray((const char *const *)words.list, words.count);
    cJSON *env = cJSON_GetObjectItemCaseSensitive(process, "env");

    cJSON_ReplaceItemInObjectCaseSensitive(process, "args", args);
    if (env == NULL)
        env = cJSON_AddArrayToObject(process, "env");
    for (u32 i = 0; i < m->env.count; i++)
        cJSON_AddItemToArray(env, cJSON_CreateString(m->env.list[i]));
    if (m->cwd != NULL)
        cJSON_ReplaceItemInObjectCaseSensitive(process, "cwd",
                                               cJSON_CreateString(m->cwd));
    cJSON_ReplaceItemInObjectCaseSensitive(process, "terminal",
                                           cJSON_CreateBool(m->terminal));
    return spec_process(&s->json, process, &s->process);
}

static int
exec_in(struct container *c, const struct making *m, struct launch *l)
{
    if (container_status(c) != STATUS_RUNNING)
        return complain("container not running"), 1;
    if (!check_console(l->process, m->console))
        return 1;
    if (!launch_begin(l) || !launch_release(l)) {
        launch_cancel(l);
        return 1;
    }
    container_unlock(c);
    return m->detach ? 0 : wait_for(l->pid);
}

static int
exec(const struct making *m, const char *id, struct words words)
{
    static struct container c;
    static struct spec spec;
    static struct process_spec process;
    struct json file = {0};
    int status = 1;

    if (!container_open(&c, id, true))
        return 1;
    bool ready = container_spec(&c, &spec);
    struct launch l = {.container = &c,
                       .spec = &spec,
                       .process = m->process != NULL ? &process : &spec.process,
                       .json = m->process != NULL ? &file : &spec.json,
                       .console = m->console,
                       .pid_file = m->pid_file};
    if (ready && m->process != NULL)
        ready = json_read(&file, m->process, "process") &&
                spec_process(&file, NULL, &process);
    else
        ready = ready && process_of_words(m, &spec, words);
    spec.process_mode = c.process_mode;
    if (ready)
        status = exec_in(&c, m, &l);
    json_free(&file);
    spec_free(&spec);
    container_close(&c);
    return status;
}

static const struct option exec_options[] = {
#define EXEC(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

static int
run_exec(struct words words)
{
    static struct making m = {.command = &command_exec};
    struct words operands;
    int status = options_read(&command_exec, &m, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = one_id(&command_exec, &operands);
    if (id == NULL)
        return STATUS_MISUSE;
    struct words rest = {operands.list + 1, operands.count - 1, false};
    if (rest.count == 0 && m.process == NULL)
        return misuse(&command_exec, "no program given");
    return container_find(id) == FOUND_OTHER ? hand_over() : exec(&m, id, rest);
}

const struct command command_exec = {
    .name = "exec",
    .operands = "ID [PROGRAM ARGUMENT...]",
    .summary = "run one more program in a container",
    .text = "Runs one more program of a container's files, beside the first, "
            "in a Nebulet of\nits own: it shares files and network with the "
            "first, and no memory.",
    .options = exec_options,
    .option_count = COUNT(exec_options),
    .stops = true,
    .run = run_exec,
};
