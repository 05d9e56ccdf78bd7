/*
 * slowfs: a folder, mounted a second time as a network volume would be. Every operation takes its
 * time and can be made to fail, as volumes do. Two mounts of one folder are two hosts that share
 * it: each has the kernel's caches of its own, and sees late what the other one did.
 *
 *     slowfs FOLDER MOUNTPOINT [-f] [-o NAME=VALUE,...]        until fusermount3 -u MOUNTPOINT
 *
 * Fixed when it is mounted:
 *     attr_s, entry_s   seconds for which the kernel caches attributes and names (1)
 *     neg_s             seconds for which it caches that a name is not there (0)
 *     threads           operations that the network carries at once (64)
 *     locks             what flock() does: "real" holds for all mounts, "local" within this one,
 *                       "lie" locks nothing and says it did, "none" fails with ENOLCK. Record locks
 *                       (fcntl, lockf) are always local.
 *
 * Mount options too, and changed at any time by writing "NAME VALUE" to MOUNTPOINT/.slowfs:
 *     lat_us            microseconds that every operation takes longer
 *     bw_mbs            MB/s of all reads and writes together; 0: no limit
 *     enospc, edquot    bytes that may still be written, the last write cut short; then writes and
 *                       new names fail. -1: no limit. statvfs tells of enospc but not of edquot.
 *     estale, eio       1: every operation fails
 *     estale_next, eio_next      the next so many lookups, opens and reads fail. The kernel itself
 *                       tries again, once, where a lookup or an open gets ESTALE.
 *     ro                1: every change fails with EROFS, in files that are open as well
 *     hang              1: every operation waits until this is 0 again. A signal to the caller ends
 *                       a wait with EINTR, but the kernel waits for file data itself: only a signal
 *                       that kills ends that.
 *     nolink            1: hard links fail with EPERM
 *
 * Reading .slowfs gives the counters and then the settings; writing "reset" makes the counters 0.
 * It is in no listing, and it answers during every fault.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 312

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 10000000 /* how often a wait looks whether it is over */
#define MOST_BYTES (1L << 60)
#define UNUSED __attribute__((unused))

/* ---- what is counted, and what can be set ---- */

enum counter {
    LOOKUP, OPEN, READ, READDIR, READLINK, WRITE, CREATE, RENAME, UNLINK, OTHER,
    BYTES_READ, BYTES_WRITTEN, COUNTERS
};
static const char *const operation_names[] = {
    "lookup", "open", "read", "readdir", "readlink", "write", "create", "rename", "unlink", "other",
};
static atomic_long counts[COUNTERS];

enum setting {
    LAT_US, BW_MBS, ROOM, QUOTA, STALE_NEXT, IO_NEXT, STALE, IO, READ_ONLY, HANG, NO_LINK, SETTINGS
};
static struct {
    const char *name;
    long least, most;
    atomic_long value;
} settings[SETTINGS] = {
    [LAT_US] = { "lat_us", 0, 60000000, 0 },
    [BW_MBS] = { "bw_mbs", 0, 1000000, 0 },
    [ROOM] = { "enospc", -1, MOST_BYTES, -1 },
    [QUOTA] = { "edquot", -1, MOST_BYTES, -1 },
    [STALE_NEXT] = { "estale_next", 0, 1000000, 0 },
    [IO_NEXT] = { "eio_next", 0, 1000000, 0 },
    [STALE] = { "estale", 0, 1, 0 },
    [IO] = { "eio", 0, 1, 0 },
    [READ_ONLY] = { "ro", 0, 1, 0 },
    [HANG] = { "hang", 0, 1, 0 },
    [NO_LINK] = { "nolink", 0, 1, 0 },
};

static const char *const lock_modes[] = { "real", "local", "lie", "none", NULL };
static enum { REAL, LOCAL, LIE, NONE } lock_mode;

static struct {
    double attr_s, entry_s, neg_s;
    unsigned threads;
    char *locks;
} fixed = { .attr_s = 1, .entry_s = 1, .threads = 64 };

static int folder = -1; /* an open file of it */
static sem_t lanes;     /* one for each operation that may be under way */

static long setting(enum setting which)
{
    return settings[which].value;
}

/* Take from a stock that may run out. Gives how much there was; a stock below 0 has no end. */
static long take(enum setting which, long wanted)
{
    long left = setting(which), taken;

    do {
        if (left < 0)
            return wanted;
        taken = wanted < left ? wanted : left;
    } while (!atomic_compare_exchange_weak(&settings[which].value, &left, left - taken));
    return taken;
}

/* 0, EINVAL for a value that cannot be, ENOENT for a name that is none. */
static int change(const char *name, const char *number)
{
    char *end;
    int i = 0;

    while (i < SETTINGS && strcmp(settings[i].name, name))
        i++;
    if (i == SETTINGS)
        return ENOENT;
    errno = 0;
    long value = strtol(number, &end, 10);
    if (errno || end == number || *end || value < settings[i].least || value > settings[i].most)
        return EINVAL;
    settings[i].value = value;
    return 0;
}

/* ---- the control file ---- */

static int is_control(const char *path)
{
    return !strcmp(path, "/.slowfs");
}

/* A file with all of it as it is now, however it is read. */
static int report(void)
{
    int fd = memfd_create("slowfs", MFD_CLOEXEC);

    for (int i = LOOKUP; i <= OTHER; i++)
        dprintf(fd, "%s %ld\n", operation_names[i], (long)counts[i]);
    dprintf(fd, "read_mb %.6f\nwrite_mb %.6f\n", counts[BYTES_READ] / 1e6,
            counts[BYTES_WRITTEN] / 1e6);
    for (int i = 0; i < SETTINGS; i++)
        dprintf(fd, "%s %ld\n", settings[i].name, setting(i));
    return fd;
}

/* What was written to it: how much of that was taken, or an error. */
static int command(const char *data, size_t size)
{
    char line[80], name[32], number[32];

    if (size >= sizeof line)
        return -EINVAL;
    memcpy(line, data, size);
    line[size] = 0;
    int words = sscanf(line, "%31s %31s", name, number);
    if (words == 1 && !strcmp(name, "reset")) {
        for (int i = 0; i < COUNTERS; i++)
            counts[i] = 0;
        return size;
    }
    return words == 2 && !change(name, number) ? (int)size : -EINVAL;
}

/* ---- time, and faults ---- */

static void rest(long ns)
{
    const struct timespec time = { ns / 1000000000, ns % 1000000000 };
    nanosleep(&time, NULL); /* a signal may end it sooner */
}

/* The caller was signalled, or this process was told to end. */
static int given_up(void)
{
    return fuse_interrupted() || fuse_session_exited(fuse_get_session(fuse_get_context()->fuse));
}

/* All transfers share one wire: each has it for itself for as long as its bytes need. */
static int transferred(enum counter counter, ssize_t bytes)
{
    static pthread_mutex_t wire = PTHREAD_MUTEX_INITIALIZER;
    long rate = setting(BW_MBS);

    if (bytes < 0)
        return -errno;
    counts[counter] += bytes;
    if (rate) {
        pthread_mutex_lock(&wire);
        rest(bytes * 1000 / rate);
        pthread_mutex_unlock(&wire);
    }
    return bytes;
}

/* What every operation goes through first. 0, or the error with which it ends here. */
static int enter(enum counter kind)
{
    int may_fail_once = kind == LOOKUP || kind == OPEN || kind == READ;

    counts[kind]++;
    while (setting(HANG)) { /* in a thread of its own, so that the control file gets one as well */
        if (given_up())
            return -EINTR;
        rest(POLL_NS);
    }
    if (setting(LAT_US)) {
        while (sem_wait(&lanes))
            if (given_up())
                return -EINTR;
        rest(setting(LAT_US) * 1000);
        sem_post(&lanes);
    }
    if (setting(STALE) || (may_fail_once && take(STALE_NEXT, 1)))
        return -ESTALE;
    if (setting(IO) || (may_fail_once && take(IO_NEXT, 1)))
        return -EIO;
    return 0;
}

static int enter_change(enum counter kind)
{
    int error = enter(kind);
    if (!error && setting(READ_ONLY))
        error = -EROFS;
    if (!error && kind == CREATE && !setting(ROOM)) /* a name needs room, and takes none */
        error = -ENOSPC;
    return !error && kind == CREATE && !setting(QUOTA) ? -EDQUOT : error;
}

static int enter_link(void)
{
    int error = enter_change(CREATE);
    return !error && setting(NO_LINK) ? -EPERM : error;
}

#define RETURN_IF_ERROR(entering) do { int error = entering; if (error) return error; } while (0)

/* ---- operations that are one call ---- */

static int result(long returned)
{
    return returned < 0 ? -errno : (int)returned;
}

/* The folder is the working directory: "/a/b" is "a/b" there, and "/" is ".". */
static const char *real(const char *path)
{
    return path[1] ? path + 1 : ".";
}

#define PASS(name, parameters, entering, call) \
    static int fs_##name parameters { RETURN_IF_ERROR(entering); return result(call); }

PASS(access, (const char *path, int mode), enter(OTHER), access(real(path), mode))
PASS(mkdir, (const char *path, mode_t mode), enter_change(CREATE), mkdir(real(path), mode))
PASS(symlink, (const char *to, const char *path), enter_change(CREATE), symlink(to, real(path)))
PASS(link, (const char *from, const char *to), enter_link(), link(real(from), real(to)))
PASS(unlink, (const char *path), enter_change(UNLINK), unlink(real(path)))
PASS(rmdir, (const char *path), enter_change(UNLINK), rmdir(real(path)))
PASS(rename, (const char *from, const char *to, unsigned flags), enter_change(RENAME),
     renameat2(AT_FDCWD, real(from), AT_FDCWD, real(to), flags))
PASS(chmod, (const char *path, mode_t mode, struct fuse_file_info *fi UNUSED), enter_change(OTHER),
     chmod(real(path), mode))
PASS(chown, (const char *path, uid_t user, gid_t group, struct fuse_file_info *fi UNUSED),
     enter_change(OTHER), lchown(real(path), user, group))
PASS(utimens, (const char *path, const struct timespec *times, struct fuse_file_info *fi UNUSED),
     enter_change(OTHER), utimensat(AT_FDCWD, real(path), times, AT_SYMLINK_NOFOLLOW))
PASS(truncate, (const char *path, off_t size, struct fuse_file_info *fi), enter_change(OTHER),
     fi ? ftruncate(fi->fh, size) : truncate(real(path), size))
PASS(fsync, (const char *path UNUSED, int data_only UNUSED, struct fuse_file_info *fi),
     enter(OTHER), fsync(fi->fh))
PASS(fsyncdir, (const char *path UNUSED, int data_only UNUSED, struct fuse_file_info *fi UNUSED),
     enter(OTHER), 0)
/* Not counted and not held up: nobody waits for it. With the file its locks go. */
PASS(release, (const char *path UNUSED, struct fuse_file_info *fi), 0, close(fi->fh))

/* ---- names and attributes ---- */

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    if (is_control(path)) {
        *st = (struct stat){ .st_mode = S_IFREG | 0666, .st_nlink = 1, .st_size = 4096 };
        return 0;
    }
    RETURN_IF_ERROR(enter(LOOKUP));
    return result(fi ? fstat(fi->fh, st) : lstat(real(path), st));
}

static int fs_readlink(const char *path, char *target, size_t size)
{
    RETURN_IF_ERROR(enter(READLINK));
    ssize_t length = readlink(real(path), target, size - 1);
    target[length < 0 ? 0 : length] = 0;
    return length < 0 ? -errno : 0;
}

static int fs_readdir(const char *path, void *list, fuse_fill_dir_t add, off_t offset UNUSED,
                      struct fuse_file_info *fi UNUSED, enum fuse_readdir_flags flags UNUSED)
{
    RETURN_IF_ERROR(enter(READDIR));
    DIR *listed = opendir(real(path));
    if (!listed)
        return -errno;
    for (struct dirent *entry; (entry = readdir(listed));) {
        struct stat st = { .st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type) };
        if (add(list, entry->d_name, &st, 0, 0))
            break;
    }
    closedir(listed);
    return 0;
}

static int fs_statfs(const char *path UNUSED, struct statvfs *st)
{
    RETURN_IF_ERROR(enter(OTHER));
    if (statvfs(".", st))
        return -errno;
    long room = setting(ROOM);
    if (room >= 0)
        st->f_bfree = st->f_bavail = room / st->f_frsize;
    return 0;
}

/* ---- files ---- */

static int opened(int fd, struct fuse_file_info *fi)
{
    fi->fh = fd;
    fi->keep_cache = 1; /* what was read before, the next open and its mmap find there */
    return fd < 0 ? -errno : 0;
}

static int open_real(const char *path, int flags, mode_t mode)
{
    /* Hosts do not append together: what counts is the offset that the kernel of each one names. */
    return open(real(path), flags & ~(O_APPEND | O_DIRECT), mode);
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
    fi->direct_io = is_control(path);
    if (is_control(path))
        return opened(report(), fi);
    RETURN_IF_ERROR((fi->flags & O_ACCMODE) == O_RDONLY ? enter(OPEN) : enter_change(OPEN));
    return opened(open_real(path, fi->flags, 0), fi);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    RETURN_IF_ERROR(enter_change(CREATE));
    return opened(open_real(path, fi->flags | O_CREAT, mode), fi);
}

static int fs_read(const char *path, char *data, size_t size, off_t offset,
                   struct fuse_file_info *fi)
{
    if (is_control(path))
        return result(pread(fi->fh, data, size, offset));
    RETURN_IF_ERROR(enter(READ));
    return transferred(BYTES_READ, pread(fi->fh, data, size, offset));
}

static int fs_write(const char *path, const char *data, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    if (is_control(path))
        return command(data, size);
    RETURN_IF_ERROR(enter_change(WRITE));
    long granted = take(ROOM, size);
    if (!granted)
        return -ENOSPC;
    granted = take(QUOTA, granted);
    if (!granted)
        return -EDQUOT;
    return transferred(BYTES_WRITTEN, pwrite(fi->fh, data, granted, offset));
}

static int fs_flock(const char *path UNUSED, struct fuse_file_info *fi, int operation)
{
    RETURN_IF_ERROR(enter(OTHER));
    if (lock_mode == LIE)
        return 0;
    if (lock_mode == NONE)
        return -ENOLCK;
    while (flock(fi->fh, operation | LOCK_NB)) { /* waits so that a signal can end it */
        if (errno != EWOULDBLOCK || (operation & LOCK_NB))
            return -errno;
        if (given_up())
            return -EINTR;
        rest(POLL_NS);
    }
    return 0;
}

/* ---- mounting ---- */

static void on_wake(int number UNUSED)
{
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    const struct sigaction wake = { .sa_handler = on_wake };

    connection->max_readahead = 1 << 20; /* the kernel takes its own limit where that is less */
    connection->max_write = 1 << 20;
    connection->max_background = 256;
    /* Lookups in one folder all at once. libfuse before 3.17 does not pass it on. */
    connection->want |= connection->capable & FUSE_CAP_PARALLEL_DIROPS;
    config->attr_timeout = fixed.attr_s;
    config->entry_timeout = fixed.entry_s;
    config->negative_timeout = fixed.neg_s;
    config->intr = 1; /* libfuse signals the thread that serves an interrupted caller ... */
    sigaction(config->intr_signal, &wake, NULL); /* ... but sets no handler, if asked only here */
    config->use_ino = 1;     /* both hosts see one number for one file */
    config->hard_remove = 0; /* as on NFS, an open file that is removed gets a hidden name */
    if (fchdir(folder)) /* not before: libfuse goes to / when it leaves the foreground */
        abort();
    return NULL;
}

static struct fuse_operations operations = {
    .init = fs_init, .getattr = fs_getattr, .access = fs_access, .readlink = fs_readlink,
    .readdir = fs_readdir, .statfs = fs_statfs, .mkdir = fs_mkdir, .symlink = fs_symlink,
    .link = fs_link, .unlink = fs_unlink, .rmdir = fs_rmdir, .rename = fs_rename,
    .chmod = fs_chmod, .chown = fs_chown, .utimens = fs_utimens, .open = fs_open,
    .create = fs_create, .read = fs_read, .write = fs_write, .truncate = fs_truncate,
    .fsync = fs_fsync, .fsyncdir = fs_fsyncdir, .flock = fs_flock, .release = fs_release,
};

static const struct fuse_opt options[] = {
    { "attr_s=%lf", offsetof(typeof(fixed), attr_s), 0 },
    { "entry_s=%lf", offsetof(typeof(fixed), entry_s), 0 },
    { "neg_s=%lf", offsetof(typeof(fixed), neg_s), 0 },
    { "threads=%u", offsetof(typeof(fixed), threads), 0 },
    { "locks=%s", offsetof(typeof(fixed), locks), 0 },
    FUSE_OPT_END,
};

/* What options[] does not name: the folder, the settings, and the rest, which is libfuse's (1). */
static int on_option(void *data UNUSED, const char *text, int key, struct fuse_args *args UNUSED)
{
    char name[32], number[32];

    if (key == FUSE_OPT_KEY_NONOPT && folder < 0) {
        folder = open(text, O_RDONLY | O_DIRECTORY);
        if (folder < 0)
            perror(text);
        return folder < 0 ? -1 : 0;
    }
    if (key != FUSE_OPT_KEY_OPT || sscanf(text, "%31[^=]=%31s", name, number) != 2)
        return 1;
    int error = change(name, number);
    if (error == EINVAL)
        fprintf(stderr, "slowfs: %s cannot be %s\n", name, number);
    return error == EINVAL ? -1 : error == ENOENT;
}

int main(int argc, char **argv)
{
    struct fuse_args args = FUSE_ARGS_INIT(argc, argv);

    if (fuse_opt_parse(&args, &fixed, options, on_option))
        return 2;
    while (fixed.locks && lock_modes[lock_mode] && strcmp(lock_modes[lock_mode], fixed.locks))
        lock_mode++;
    if (folder < 0 || !fixed.threads || !lock_modes[lock_mode]) {
        fprintf(stderr, "usage: slowfs FOLDER MOUNTPOINT [-f] [-o NAME=VALUE,...]\n");
        return 2;
    }
    if (lock_mode == LOCAL)
        operations.flock = NULL; /* then the kernel does it, within this mount */
    sem_init(&lanes, 0, fixed.threads);
    umask(0);
    /* Many more threads than lanes: whatever hangs keeps one. */
    fuse_opt_add_arg(&args, "-ofsname=slowfs,max_threads=2000,max_idle_threads=64");
    return fuse_main(args.argc, args.argv, &operations, NULL);
}
