// oci/: the container runtime `nebulet-oci`: the command line of runc, for
// containerd's shim, CRI-O, podman and people.  A container whose program is a
// WebAssembly module runs on Nebulet; every other is handed to runc.
//
//     main      global flags, the commands and whom they are for
//     json      config.json: reading what may be anything
//     spec      what config.json asks for
//     state     what is known of a container, on disk
//     control   its control groups
//     mounts    what it sees of files
//     hooks     programs of others that are called on the way
//     terminal  one for it, sent to who asked
//     rights    user, capabilities and limits of its process
//     launch    a process of it, from fork to its end
//     create    create, start and exec
//     manage    kill, delete, pause, resume and update
//     report    state, list, ps and features

#pragma once

#include "tool/tool.h"

#include <cjson/cJSON.h>
#include <sys/types.h>

enum { PATH_SIZE = 4096 };

#define OCI_VERSION "1.0.2"

// --- main.c ------------------------------------------------------------------

// What stands before the command.
struct globals {
    const char *root; // where states are
    const char *log;  // or NULL
    bool json;        // the log's form
    bool process;     // mode where no annotation says it
    bool version;     // is asked for
    char **argv;      // the whole command line
    int argc;
};

extern struct globals globals;

// Become runc for this command line; 1 after a complaint.
MUST_USE int hand_over(void);

// --- json.c ------------------------------------------------------------------

enum json_kind { JSON_OBJECT, JSON_LIST, JSON_TEXT, JSON_BOOL, JSON_NUMBER };

// A document that may be anything.  The first thing that is wrong is complained
// of, and sticks.
struct json {
    cJSON *root; // owned
    const char *name;
    bool failed;
};

enum { JSON_MOST = 4 * MIB };

// False after a complaint; else json_free() ends it.
MUST_USE bool json_read(struct json *j, const char *path, const char *name);
void json_free(struct json *j);

// Say what is wrong at `path`.
void json_refuse(struct json *j, const char *path, const char *what);

// What is at "a.b.c" below `at` (NULL: the whole), of that kind; NULL: it is
// not there, or is of another kind, which fails.
const cJSON *json_find(struct json *j, const cJSON *at, const char *path,
                       enum json_kind kind);
// Those have to be there.
const char *json_text(struct json *j, const cJSON *at, const char *path);
// Those that need not; a number in [least, most] or fails.
bool json_flag(struct json *j, const cJSON *at, const char *path);
i64 json_number(struct json *j, const cJSON *at, const char *path, i64 least,
                i64 most, i64 otherwise);
// Are all members of a list (NULL: there is none) texts?  Fails if not.
bool json_texts(struct json *j, const cJSON *list, const char *path);

// As text on stdout, with a line's end, or into a file; both free it.  False
// after a complaint.
void json_print(cJSON *tree);
MUST_USE bool json_save(cJSON *tree, int dir, const char *name);

// --- spec.c ------------------------------------------------------------------

enum { ARGS_MAX = 4096, GROUPS_MAX = 256 };

// process of config.json, or the file of `exec --process`.
struct process_spec {
    const cJSON *args, *env; // lists of texts
    const char *cwd;
    bool terminal;
    u16 width, height; // of it
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    u32 group_count;
    mode_t umask;
    const cJSON *capabilities, *limits; // or NULL
    i64 oom_score;                      // OOM_UNSAID: not said
};

enum { OOM_UNSAID = INT32_MAX };

struct spec {
    struct json json;
    char bundle[PATH_SIZE], rootfs[PATH_SIZE];
    bool read_only;
    bool process_mode;
    const cJSON *mounts, *annotations, *hooks, *resources; // or NULL
    const char *hostname, *cgroups_path;                   // or NULL
    const char *network; // a namespace to join, "" a new one, NULL: ours
    bool new_uts;
    bool new_user; // which only runc can do
    struct process_spec process;
};

// Read and check a configuration of a bundle; false after a complaint.
MUST_USE bool spec_read(struct spec *spec, const char *path,
                        const char *bundle);
void spec_free(struct spec *spec);
// `process` of it, or the whole file for exec.
MUST_USE bool spec_process(struct json *j, const cJSON *at,
                           struct process_spec *p);

const char *spec_annotation(const struct spec *spec, const char *name);

// The program in the container's files, open for reading: -1 with errno set.
// *function is behind a # in args[0], or NULL.
int spec_program(const struct spec *spec, const struct process_spec *p,
                 const char **function);

// Is the container for us, by annotations and by what the program is?
bool spec_is_ours(const struct spec *spec);

// --- state.c -----------------------------------------------------------------

enum status {
    STATUS_CREATING,
    STATUS_CREATED,
    STATUS_RUNNING,
    STATUS_PAUSED,
    STATUS_STOPPED,
};

// A container, as its directory ROOT/ID has it: state.nebulet, which is
// replaced as a whole; lock; config.json, as it was read; start, a pipe that is
// there until the program starts.
struct container {
    char id[256];
    int dir;     // of the state
    int lock;    // -1: not held
    pid_t pid;   // 0: `create` has not come to its end
    u64 born;    // its start time, by which a reused number is known
    pid_t maker; // the process of `create`
    u64 maker_born;
    i64 created_ns; // since 1970
    bool process_mode;
    char bundle[PATH_SIZE], cgroup[PATH_SIZE];
};

// Make the directory of a new container, held; false after a complaint.
MUST_USE bool container_new(struct container *c, const char *id,
                            const char *config);
// Whose it is; FOUND_NONE after a complaint where that is no ID.
enum found { FOUND_OURS, FOUND_OTHER, FOUND_NONE };
enum found container_find(const char *id);
// Open one that is ours, with the lock or without; false after a complaint.
MUST_USE bool container_open(struct container *c, const char *id, bool lock);
MUST_USE bool container_save(const struct container *c);
void container_unlock(struct container *c);
void container_close(struct container *c);
// Remove all that is known of it.
void container_remove(struct container *c);

enum status container_status(const struct container *c);
const char *status_name(enum status status);
// Its process, -1 with errno set: there is none any more.
int container_process(const struct container *c);
// When a process was started, in ticks; 0: it has ended.
u64 process_born(pid_t pid);
// Its configuration, as it was, and that before it is checked; false after a
// complaint.
MUST_USE bool container_config(const struct container *c, struct json *j);
MUST_USE bool container_spec(const struct container *c, struct spec *spec);
// What hooks and `state` are told; to be freed by the caller.
cJSON *container_tell(const struct container *c, enum status status,
                      const cJSON *annotations);

// --- control.c ---------------------------------------------------------------

// Where a container's groups are, below each hierarchy.
MUST_USE bool control_path(struct container *c, const char *asked);
MUST_USE bool control_make(const struct container *c);
// Into all of them, with those of a limit only where it is asked for.
MUST_USE bool control_enter(const struct container *c, pid_t pid);
// Limits of linux.resources; false after a complaint.
MUST_USE bool control_limit(const struct container *c, struct json *j,
                            const cJSON *resources);
MUST_USE bool control_freeze(const struct container *c, bool frozen);
bool control_frozen(const struct container *c);
void control_remove(const struct container *c);
// The processes in it, owned by the caller.
MUST_USE u32 control_list(const struct container *c, pid_t **pids);
bool control_is_unified(void);

// --- mounts.c ----------------------------------------------------------------

// In a namespace of our own: make the container's files be what it asks for.
MUST_USE bool mounts_make(struct spec *spec);

// --- hooks.c -----------------------------------------------------------------

// Call those of one kind; false after a complaint, when one failed.
MUST_USE bool hooks_call(const struct container *c, struct json *config,
                         const char *kind, enum status status);

// --- terminal.c --------------------------------------------------------------

// A new terminal is our session's and our standard streams; its other end goes
// to a socket.
MUST_USE bool terminal_open(const struct process_spec *p, const char *socket);

// --- rights.c ----------------------------------------------------------------

// Before the program runs: no more than the configuration gives.
MUST_USE bool rights_drop(struct json *j, const struct process_spec *p,
                          bool user);

// --- launch.c ----------------------------------------------------------------

// A process of a container.
struct launch {
    struct container *container;
    struct spec *spec;
    struct process_spec *process;
    struct json *json; // that has the process
    const char *console, *pid_file;
    bool first; // the container's own, which waits for `start`
    pid_t pid;
    int ours; // our end of what we tell each other
};

// Fork it, up to where it is ready to run; false after a complaint.
MUST_USE bool launch_begin(struct launch *l);
// Let it go on without us.
MUST_USE bool launch_release(struct launch *l);
void launch_cancel(struct launch *l);
// Let the program of a created container start; false after a complaint.
MUST_USE bool launch_start(const struct container *c);

// --- commands ----------------------------------------------------------------

extern const struct command command_create, command_start, command_exec,
    command_state, command_list, command_ps, command_features, command_kill,
    command_delete, command_pause, command_resume, command_update;

// The one operand of a command, an ID; NULL after misuse().
const char *one_id(const struct command *c, const struct words *operands);
// The same of a container that is not runc's; else NULL, and the exit status:
// of misuse, or of runc, which has run.
const char *our_id(const struct command *c, const struct words *operands,
                   int *status);
