// oci/report.c: `state`, `list`, `ps` and `features`: what is, as JSON or for
// people.

#include "oci/oci.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct reporting {
    const struct command *command;
    bool json, quiet;
};

static bool
set_reporting(void *self, const struct option *o, const char *value)
{
    struct reporting *r = self;

    if (value == NULL) {
        r->quiet = true;
        return true;
    }
    r->json = strcmp(value, "json") == 0;
    if (r->json || strcmp(value, "table") == 0)
        return true;
    misuse(r->command, "%s %s: not table or json", o->name, value);
    return false;
}

// --- state -------------------------------------------------------------------

// Of what runc tells more than the specification asks, what callers read.
static cJSON *
tell_all(const struct container *c)
{
    time_t seconds = (time_t)(c->created_ns / 1000000000);
    struct json config;
    const cJSON *annotations = NULL, *rootfs = NULL;
    char when[64], text[96];
    struct tm tm;

    bool read = container_config(c, &config);
    if (read) {
        annotations = json_find(&config, NULL, "annotations", JSON_OBJECT);
        rootfs = json_find(&config, NULL, "root.path", JSON_TEXT);
    }
    cJSON *tree = container_tell(c, container_status(c), annotations);
    if (rootfs != NULL)
        cJSON_AddStringToObject(tree, "rootfs", rootfs->valuestring);
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof(text), "%s.%09lldZ", when,
             (long long)(c->created_ns % 1000000000));
    cJSON_AddStringToObject(tree, "created", text);
    cJSON_AddStringToObject(tree, "owner", "");
    if (read)
        json_free(&config);
    return tree;
}

static int
run_state(struct words words)
{
    struct words operands;
    struct container c;
    int status = options_read(&command_state, NULL, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = our_id(&command_state, &operands, &status);
    if (id == NULL)
        return status;
    if (!container_open(&c, id, false))
        return 1;
    json_print(tell_all(&c));
    container_close(&c);
    return 0;
}

const struct command command_state = {
    .name = "state",
    .operands = "ID",
    .summary = "print what a container does, as JSON",
    .text = "Prints what the OCI runtime specification calls the state of a "
            "container.",
    .run = run_state,
};

// --- list --------------------------------------------------------------------

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_ours(const struct dirent *e)
{
    return e->d_name[0] != '.' && e->d_name[0] != '@' &&
           container_find(e->d_name) == FOUND_OURS;
}

static void
list_one(const struct reporting *r, cJSON *list, const char *id)
{
    struct container c;

    if (r->quiet) {
        tell("%s", id);
        return;
    }
    if (!container_open(&c, id, false))
        return;
    enum status status = container_status(&c);
    if (r->json)
        cJSON_AddItemToArray(list, tell_all(&c));
    else
        tell("%-20s %-8d %-8s %s", id,
             status == STATUS_STOPPED ? 0 : (int)c.pid, status_name(status),
             c.bundle);
    container_close(&c);
}

static int
run_list(struct words words)
{
    struct reporting r = {.command = &command_list};
    struct words operands;
    struct dirent **names = NULL;
    int status = options_read(&command_list, &r, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    int count = scandir(globals.root, &names, is_ours, by_name);
    cJSON *list = cJSON_CreateArray();
    if (!r.json && !r.quiet)
        tell("%-20s %-8s %-8s %s", "ID", "PID", "STATUS", "BUNDLE");
    for (int i = 0; i < count; i++) {
        list_one(&r, list, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (r.json)
        json_print(list);
    else
        cJSON_Delete(list);
    return 0;
}

static const struct option list_options[] = {
#define LIST(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

const struct command command_list = {
    .name = "list",
    .operands = "",
    .summary = "list the containers that are not runc's",
    .text = "Lists the containers that are not runc's.",
    .options = list_options,
    .option_count = COUNT(list_options),
    .run = run_list,
};

// --- ps ----------------------------------------------------------------------

static void
print_process(pid_t pid)
{
    char path[64];
    struct bytes name;

    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    if (file_load(path, KIB, &name) != 0)
        return; // it has ended
    tell("%-8d %.*s", (int)pid,
         (int)(name.size - (name.size > 0 && name.ptr[name.size - 1] == '\n')),
         (char *)name.ptr);
    free(name.ptr);
}

static int
run_ps(struct words words)
{
    struct reporting r = {.command = &command_ps};
    struct words operands;
    struct container c;
    pid_t *pids;
    int status = options_read(&command_ps, &r, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = our_id(&command_ps, &operands, &status);
    if (id == NULL)
        return status;
    if (!container_open(&c, id, false))
        return 1;
    u32 count = control_list(&c, &pids);
    if (r.json) {
        json_print(cJSON_CreateIntArray(pids, (int)count));
    } else {
        tell("%-8s %s", "PID", "COMMAND");
        for (u32 i = 0; i < count; i++)
            print_process(pids[i]);
    }
    free(pids);
    container_close(&c);
    return 0;
}

static const struct option ps_options[] = {
#define PS(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

const struct command command_ps = {
    .name = "ps",
    .operands = "ID",
    .summary = "list the processes of a container",
    .text = "Lists the processes of Linux that a container has: one, and in "
            "vm mode QEMU; and\nas many for each exec.",
    .options = ps_options,
    .option_count = COUNT(ps_options),
    .run = run_ps,
};

// --- features ----------------------------------------------------------------

static void
add_list(cJSON *tree, const char *name, const char *const *texts, u32 count)
{
    cJSON_AddItemToObject(tree, name,
                          cJSON_CreateStringArray(texts, (int)count));
}

static cJSON *
features_of_linux(void)
{
    static const char *const namespaces[] = {"mount", "network", "uts"};
    cJSON *tree = cJSON_CreateObject();
    cJSON *groups = cJSON_AddObjectToObject(tree, "cgroup");

    add_list(tree, "namespaces", namespaces, COUNT(namespaces));
    cJSON_AddTrueToObject(groups, "v1");
    cJSON_AddTrueToObject(groups, "v2");
    cJSON_AddTrueToObject(groups, "systemd");
    cJSON_AddFalseToObject(groups, "systemdUser");
    cJSON_AddFalseToObject(cJSON_AddObjectToObject(tree, "seccomp"), "enabled");
    cJSON_AddFalseToObject(cJSON_AddObjectToObject(tree, "apparmor"),
                           "enabled");
    cJSON_AddFalseToObject(cJSON_AddObjectToObject(tree, "selinux"), "enabled");
    return tree;
}

static int
run_features(struct words words)
{
    static const char *const hooks[] = {"prestart",        "createRuntime",
                                        "createContainer", "startContainer",
                                        "poststart",       "poststop"};
    static const char *const mounts[] = {
        "bind",   "dev",    "exec",  "noatime",  "nodev",
        "noexec", "nosuid", "rbind", "relatime", "strictatime",
        "ro",     "rw",     "suid",  "sync"};
    struct words operands;
    int status = options_read(&command_features, NULL, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "ociVersionMin", "1.0.0");
    cJSON_AddStringToObject(tree, "ociVersionMax", OCI_VERSION);
    add_list(tree, "hooks", hooks, COUNT(hooks));
    add_list(tree, "mountOptions", mounts, COUNT(mounts));
    cJSON_AddItemToObject(tree, "linux", features_of_linux());
    cJSON *more = cJSON_AddObjectToObject(tree, "annotations");
    cJSON_AddStringToObject(more, "dev.nebulet.version", VERSION);
    json_print(tree);
    return 0;
}

const struct command command_features = {
    .name = "features",
    .operands = "",
    .summary = "print what this runtime knows, as JSON",
    .text = "Prints what this runtime knows, as the OCI runtime specification "
            "has it.",
    .run = run_features,
};
