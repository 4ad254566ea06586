// oci/spec.c: what a bundle's config.json asks for, checked, and whose its
// container is.

#include "oci/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// --- process -----------------------------------------------------------------

static bool
check_env(struct json *j, const cJSON *env)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, env)
        if (strchr(item->valuestring, '=') == NULL ||
            item->valuestring[0] == '=')
            json_refuse(j, "process.env", "a variable that is not NAME=VALUE");
    if (cJSON_GetArraySize(env) > ENV_MAX)
        json_refuse(j, "process.env", "too many");
    return !j->failed;
}

static void
read_user(struct json *j, const cJSON *at, struct process_spec *p)
{
    const cJSON *groups = json_find(j, at, "user.additionalGids", JSON_LIST);
    const cJSON *item;

    p->uid = (uid_t)json_number(j, at, "user.uid", 0, UINT32_MAX - 1, 0);
    p->gid = (gid_t)json_number(j, at, "user.gid", 0, UINT32_MAX - 1, 0);
    p->umask = (mode_t)json_number(j, at, "user.umask", 0, 0777, 022);
    if (cJSON_GetArraySize(groups) > GROUPS_MAX)
        json_refuse(j, "user.additionalGids", "too many");
    cJSON_ArrayForEach (item, groups) {
        if (j->failed)
            return;
        p->groups[p->group_count++] =
            (gid_t)json_number(j, item, "", 0, UINT32_MAX - 1, 0);
    }
}

bool
spec_process(struct json *j, const cJSON *at, struct process_spec *p)
{
    *p = (struct process_spec){0};
    p->args = json_find(j, at, "args", JSON_LIST);
    p->env = json_find(j, at, "env", JSON_LIST);
    p->cwd = json_text(j, at, "cwd");
    if (!j->failed && p->cwd[0] != '/')
        json_refuse(j, "process.cwd", "not an absolute path");
    p->terminal = json_flag(j, at, "terminal");
    p->width = (u16)json_number(j, at, "consoleSize.width", 0, UINT16_MAX, 0);
    p->height = (u16)json_number(j, at, "consoleSize.height", 0, UINT16_MAX, 0);
    p->capabilities = json_find(j, at, "capabilities", JSON_OBJECT);
    p->limits = json_find(j, at, "rlimits", JSON_LIST);
    p->oom_score = json_number(j, at, "oomScoreAdj", -1000, 1000, OOM_UNSAID);
    read_user(j, at, p);
    int count = cJSON_GetArraySize(p->args);
    if (count == 0 || count > ARGS_MAX)
        json_refuse(j, "process.args", count == 0 ? "no program" : "too many");
    return json_texts(j, p->args, "process.args") &&
           json_texts(j, p->env, "process.env") && check_env(j, p->env);
}

// --- the rest ----------------------------------------------------------------

static void
read_namespaces(struct spec *s)
{
    struct json *j = &s->json;
    const cJSON *item,
        *list = json_find(j, NULL, "linux.namespaces", JSON_LIST);

    cJSON_ArrayForEach (item, list) {
        const char *type = json_text(j, item, "type");
        const cJSON *path = json_find(j, item, "path", JSON_TEXT);
        if (j->failed)
            return;
        if (strcmp(type, "network") == 0)
            s->network = path != NULL ? path->valuestring : "";
        if (strcmp(type, "uts") == 0)
            s->new_uts = path == NULL;
        s->new_user |= strcmp(type, "user") == 0;
    }
}

static void
read_root(struct spec *s)
{
    const char *path = json_text(&s->json, NULL, "root.path");
    char whole[2 * PATH_SIZE];

    s->read_only = json_flag(&s->json, NULL, "root.readonly");
    if (s->json.failed)
        return;
    if (path[0] == '/')
        snprintf(whole, sizeof(whole), "%s", path);
    else
        snprintf(whole, sizeof(whole), "%s/%s", s->bundle, path);
    char *real = realpath(whole, NULL);
    struct stat st;
    if (real == NULL || stat(real, &st) != 0 || !S_ISDIR(st.st_mode) ||
        strlen(real) >= sizeof(s->rootfs))
        json_refuse(&s->json, "root.path", "there is no such directory");
    else
        strcpy(s->rootfs, real);
    free(real);
}

static void
read_annotations(struct spec *s)
{
    const cJSON *item;

    s->annotations = json_find(&s->json, NULL, "annotations", JSON_OBJECT);
    cJSON_ArrayForEach (item, s->annotations)
        if (!cJSON_IsString(item))
            json_refuse(&s->json, "annotations", "one is not a text");
    if (s->json.failed)
        return;
    const char *mode = spec_annotation(s, "dev.nebulet.mode");
    s->process_mode =
        mode != NULL ? strcmp(mode, "process") == 0 : globals.process;
    if (mode != NULL && !s->process_mode && strcmp(mode, "vm") != 0)
        json_refuse(&s->json, "annotations: dev.nebulet.mode",
                    "not vm or process");
}

static const char *
text_or_null(struct json *j, const char *path)
{
    const cJSON *item = json_find(j, NULL, path, JSON_TEXT);

    return item != NULL && item->valuestring[0] != 0 ? item->valuestring : NULL;
}

static bool
read_all(struct spec *s)
{
    struct json *j = &s->json;
    const char *version = json_text(j, NULL, "ociVersion");

    if (!j->failed && strncmp(version, "1.", 2) != 0)
        json_refuse(j, "ociVersion", "not 1.x");
    read_root(s);
    const cJSON *process = json_find(j, NULL, "process", JSON_OBJECT);
    if (process == NULL)
        json_refuse(j, "process", "missing");
    if (j->failed || !spec_process(j, process, &s->process))
        return false;
    s->mounts = json_find(j, NULL, "mounts", JSON_LIST);
    s->hooks = json_find(j, NULL, "hooks", JSON_OBJECT);
    s->resources = json_find(j, NULL, "linux.resources", JSON_OBJECT);
    s->hostname = text_or_null(j, "hostname");
    s->cgroups_path = text_or_null(j, "linux.cgroupsPath");
    read_annotations(s);
    read_namespaces(s);
    return !j->failed;
}

bool
spec_read(struct spec *s, const char *path, const char *bundle)
{
    memset(s, 0, sizeof(*s));
    snprintf(s->bundle, sizeof(s->bundle), "%s", bundle);
    if (!json_read(&s->json, path, "config.json"))
        return false;
    if (read_all(s))
        return true;
    spec_free(s);
    return false;
}

void
spec_free(struct spec *s)
{
    json_free(&s->json);
}

const char *
spec_annotation(const struct spec *s, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(s->annotations, name);

    return cJSON_IsString(item) ? item->valuestring : NULL;
}

// --- the program -------------------------------------------------------------

// A path among the container's files, whose links lead nowhere else.
static int
open_inside(const struct spec *s, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    struct stat st;
    int root = open(s->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = root < 0 ?
                 -1 :
                 (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    int error = errno;

    if (root >= 0)
        close(root);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
        error = EACCES;
    }
    errno = error;
    return fd;
}

static int
open_in(const struct spec *s, const char *dir, size_t len, const char *name)
{
    char path[2 * PATH_SIZE];

    if ((u64)snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name) >=
        sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open_inside(s, path);
}

// As execvp() would: a name without a slash is in PATH, or else where the
// program starts.
static int
open_named(const struct spec *s, const struct process_spec *p, const char *name)
{
    const cJSON *item;
    int fd = -1;

    if (name[0] == '/')
        return open_inside(s, name);
    cJSON_ArrayForEach (item, p->env) {
        const char *at = item->valuestring;
        if (strchr(name, '/') != NULL || strncmp(at, "PATH=", 5) != 0)
            continue;
        for (at += 5; fd < 0 && *at != 0; at += *at == ':') {
            size_t len = strcspn(at, ":");
            fd = len > 0 ? open_in(s, at, len, name) : -1;
            at += len;
        }
    }
    return fd >= 0 ? fd : open_in(s, p->cwd, strlen(p->cwd), name);
}

int
spec_program(const struct spec *s, const struct process_spec *p,
             const char **function)
{
    const char *word = cJSON_GetArrayItem(p->args, 0)->valuestring;
    char name[PATH_SIZE];

    *function = strrchr(word, '#');
    size_t len = *function != NULL ? (size_t)(*function - word) : strlen(word);
    if (len >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(name, sizeof(name), "%.*s", (int)len, word);
    if (*function != NULL)
        *function += 1;
    return open_named(s, p, name);
}

// --- whose -------------------------------------------------------------------

// A module, a component (which is then refused by name), or a code file.
static bool
is_wasm(const struct spec *s)
{
    static const u8 magic[] = {0, 'a', 's', 'm'};
    const char *function;
    u8 head[8];
    int fd = spec_program(s, &s->process, &function);
    bool ours = fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head) &&
                (memcmp(head, magic, sizeof(magic)) == 0 ||
                 memcmp(head + 1, "nebcode", sizeof(head) - 1) == 0);

    if (fd >= 0)
        close(fd);
    return ours;
}

bool
spec_is_ours(const struct spec *s)
{
    static const char *const variants[] = {"module.wasm.image/variant",
                                           "run.oci.handler"};
    static const struct {
        const char *value;
        bool always;
    } values[] = {
        {"wasm",         true },
        {"compat",       true },
        {"wasm-smart",   false},
        {"compat-smart", false},
    };

    for (u32 i = 0; i < COUNT(variants); i++) {
        const char *value = spec_annotation(s, variants[i]);
        bool known = value == NULL;
        for (u32 k = 0; k < COUNT(values) && value != NULL; k++) {
            if (strcmp(value, values[k].value) != 0)
                continue;
            if (values[k].always)
                return true;
            known = true;
        }
        if (!known)
            return false; // another handler's
    }
    return is_wasm(s);
}
