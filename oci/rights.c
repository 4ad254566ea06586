// oci/rights.c: what a container's process may do, beside what its program can:
// the user, capabilities and limits of the configuration, and no more.

#include "oci/oci.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

static bool
refuse(const char *what)
{
    complain("%s: %s", what, strerror(errno));
    return false;
}

// --- capabilities ------------------------------------------------------------

static const char *const capabilities[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

// Those of a list; what has no name here is not given.
static u64
set_of(struct json *j, const cJSON *at, const char *path)
{
    const cJSON *item, *list = json_find(j, at, path, JSON_LIST);
    u64 set = 0;

    if (!json_texts(j, list, path))
        return 0;
    cJSON_ArrayForEach (item, list)
        for (u32 i = 0; i < COUNT(capabilities); i++)
            if (strncmp(item->valuestring, "CAP_", 4) == 0 &&
                strcmp(item->valuestring + 4, capabilities[i]) == 0)
                set |= 1ull << i;
    return set;
}

// Not those that we have not.
static bool
keep(u64 set)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) != 0)
        return refuse("capabilities");
    for (u32 i = 0; i < 2; i++) {
        u32 mine = data[i].permitted & (u32)(set >> (32 * i));
        data[i].permitted = data[i].effective = mine;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, data) == 0 || refuse("capabilities");
}

static bool
drop_bounds(u64 set)
{
    for (u32 i = 0; i < COUNT(capabilities); i++)
        if ((set >> i & 1) == 0 && prctl(PR_CAPBSET_READ, i) == 1 &&
            prctl(PR_CAPBSET_DROP, i) != 0)
            return refuse("capabilities");
    return true;
}

// --- limits ------------------------------------------------------------------

static bool
set_limits(struct json *j, const cJSON *list)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {
        {"RLIMIT_CORE",       RLIMIT_CORE      },
        {"RLIMIT_CPU",        RLIMIT_CPU       },
        {"RLIMIT_DATA",       RLIMIT_DATA      },
        {"RLIMIT_FSIZE",      RLIMIT_FSIZE     },
        {"RLIMIT_LOCKS",      RLIMIT_LOCKS     },
        {"RLIMIT_MEMLOCK",    RLIMIT_MEMLOCK   },
        {"RLIMIT_MSGQUEUE",   RLIMIT_MSGQUEUE  },
        {"RLIMIT_NICE",       RLIMIT_NICE      },
        {"RLIMIT_NOFILE",     RLIMIT_NOFILE    },
        {"RLIMIT_NPROC",      RLIMIT_NPROC     },
        {"RLIMIT_RSS",        RLIMIT_RSS       },
        {"RLIMIT_RTPRIO",     RLIMIT_RTPRIO    },
        {"RLIMIT_RTTIME",     RLIMIT_RTTIME    },
        {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
        {"RLIMIT_STACK",      RLIMIT_STACK     },
    };
    const cJSON *item;

    // (RLIMIT_AS is none for a process that has a slot of address space for
    // each memory.)
    cJSON_ArrayForEach (item, list) {
        const char *type = json_text(j, item, "type");
        const cJSON *soft = json_find(j, item, "soft", JSON_NUMBER);
        const cJSON *hard = json_find(j, item, "hard", JSON_NUMBER);
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
        if (soft != NULL && soft->valuedouble < 1e18)
            limit.rlim_cur = (rlim_t)MAX(soft->valuedouble, 0.0);
        if (hard != NULL && hard->valuedouble < 1e18)
            limit.rlim_max = (rlim_t)MAX(hard->valuedouble, 0.0);
        for (u32 i = 0; i < COUNT(names) && !j->failed; i++)
            if (strcmp(type, names[i].name) == 0 &&
                setrlimit((unsigned)names[i].number, &limit) != 0)
                return refuse(type);
    }
    return !j->failed;
}

static bool
set_oom_score(i64 score)
{
    char text[32];
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int size = snprintf(text, sizeof(text), "%lld", (long long)score);
    bool done = fd >= 0 && write(fd, text, (size_t)size) == size;

    if (fd >= 0)
        close(fd);
    return done || refuse("oomScoreAdj");
}

// --- the user ----------------------------------------------------------------

static bool
become_user(const struct process_spec *p)
{
    if (geteuid() != 0)
        return true; // nobody else's rights are ours to give
    if (setgroups(p->group_count, p->groups) != 0 ||
        setresgid(p->gid, p->gid, p->gid) != 0)
        return refuse("group");
    if (prctl(PR_SET_KEEPCAPS, 1) != 0 ||
        setresuid(p->uid, p->uid, p->uid) != 0)
        return refuse("user");
    // What the process has open it opens again by /proc/self.
    (void)prctl(PR_SET_DUMPABLE, 1);
    return true;
}

bool
rights_drop(struct json *j, const struct process_spec *p, bool user)
{
    u64 bounding = set_of(j, p->capabilities, "bounding");
    u64 effective = set_of(j, p->capabilities, "effective");

    if (j->failed || !set_limits(j, p->limits))
        return false;
    if (p->oom_score != OOM_UNSAID && !set_oom_score(p->oom_score))
        return false;
    umask(p->umask);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refuse("no_new_privs");
    if (p->capabilities == NULL)
        bounding = effective = 0;
    return (geteuid() != 0 || drop_bounds(bounding)) &&
           (!user || become_user(p)) && keep(effective);
}
