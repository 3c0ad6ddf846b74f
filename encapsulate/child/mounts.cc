// The filesystem view. In order: clone the writable trees while they are
// writable; make everything read-only; mount the places over it; mask the
// host's sockets; read the mount table back, cover what shows the host's
// kernel, and fail on anything that is writable and shouldn't be.
//
// New mounts are put together in a "stage", a tmpfs mounted over the old /proc.
// The sandbox's own /proc, mounted over it, hides the stage from the command,
// so no directory is needed on the host. Until the end the stage is the current
// directory: relative paths below lie in it.
//
// A bind mount inherits the flags of the mount that its source is seen through,
// so what must be read-only is bound from a read-only directory: one call each
// in place of three. Nothing is ever unmounted, because that makes the kernel
// wait for a grace period.
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/mountinfo.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

constexpr char kStage[] = "/proc";
// In the stage: a read-only mount of its own, with these in it.
constexpr char kSealed[] = "sealed";
constexpr char kEmptyFile[] = "sealed/file";
constexpr char kEmptyDirectory[] = "sealed/directory";
constexpr char kGenerated[] = "sealed/generated";

// The child has one thread, and these are too large for a stack.
MountInfoReader mount_reader;
Message message_buffer;

// Of something in the stage: a word and a number.
using Name = Text<48>;

bool IsBelow(const char* path, const char* tree) {
  const size_t length = strlen(tree);
  if (length == 1) return true;  // "/"
  return strncmp(path, tree, length) == 0 &&
         (path[length] == '\0' || path[length] == '/');
}

// The flags of the mount at `path`, as mount(2) wants them back: a remount
// that leaves out a locked one is refused.
unsigned long CurrentFlags(const struct statvfs& info) {
  unsigned long flags = 0;
  const struct {
    unsigned long shown;
    unsigned long wanted;
  } kPairs[] = {{ST_RDONLY, MS_RDONLY},    {ST_NOSUID, MS_NOSUID},
                {ST_NODEV, MS_NODEV},      {ST_NOEXEC, MS_NOEXEC},
                {ST_NOATIME, MS_NOATIME},  {ST_NODIRATIME, MS_NODIRATIME},
                {ST_RELATIME, MS_RELATIME}};
  for (const auto& pair : kPairs) {
    if ((info.f_flag & pair.shown) != 0) flags |= pair.wanted;
  }
  return flags;
}

// The same by the mount table: statvfs(3) would wait for a file server, and
// wake an automount.
unsigned long CurrentFlags(const MountInfo& mount) {
  unsigned long flags = 0;
  const struct {
    const char* shown;
    unsigned long wanted;
  } kPairs[] = {{"ro", MS_RDONLY},        {"nosuid", MS_NOSUID},
                {"nodev", MS_NODEV},      {"noexec", MS_NOEXEC},
                {"noatime", MS_NOATIME},  {"nodiratime", MS_NODIRATIME},
                {"relatime", MS_RELATIME}};
  for (const auto& pair : kPairs) {
    if (mount.Has(pair.shown)) flags |= pair.wanted;
  }
  return flags;
}

unsigned long MountFlags(uint64_t attributes) {
  unsigned long flags = 0;
  if ((attributes & sys::kMountAttrReadOnly) != 0) flags |= MS_RDONLY;
  if ((attributes & sys::kMountAttrNosuid) != 0) flags |= MS_NOSUID;
  if ((attributes & sys::kMountAttrNodev) != 0) flags |= MS_NODEV;
  return flags;
}

// Before mount_setattr (Linux 5.12): one remount.
int Remount(const char* path, unsigned long current, uint64_t set,
            uint64_t clear) {
  const unsigned long flags = (current | MountFlags(set)) & ~MountFlags(clear);
  return mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | flags, nullptr);
}

int RemountOne(const char* path, uint64_t set, uint64_t clear) {
  struct statvfs info;
  if (statvfs(path, &info) != 0) return -1;
  return Remount(path, CurrentFlags(info), set, clear);
}

// The same of a mount of the table. Nothing is done if another one is over it,
// whose flags those of the table aren't (STATX_MNT_ID, Linux 5.8).
int RemountListed(const MountInfo& mount, uint64_t set, uint64_t clear) {
  struct statx info;
  if (statx(AT_FDCWD, mount.point,
            AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
            STATX_MNT_ID, &info) != 0) {
    return -1;
  }
  if ((info.stx_mask & STATX_MNT_ID) == 0) {
    return RemountOne(mount.point, set, clear);
  }
  if (static_cast<int>(info.stx_mnt_id) != mount.id) return 0;
  return Remount(mount.point, CurrentFlags(mount), set, clear);
}

// Sets and clears attributes of the mount at `path`, and of those below it if
// `recursive`. Works out at run time whether the kernel can do it in one call.
class Attributes {
 public:
  explicit Attributes(int mount_table) : mount_table_(mount_table) {}

  int Change(const char* path, uint64_t set, uint64_t clear, bool recursive) {
    if (!missing_) {
      sys::MountAttr attr;
      attr.set = set;
      attr.clear = clear;
      attr.propagation = MS_PRIVATE;
      if (sys::MountSetattr(AT_FDCWD, path, recursive ? sys::kRecursive : 0,
                            attr) == 0) {
        return 0;
      }
      if (errno != ENOSYS) return -1;
      missing_ = true;
    }
    if (mount(nullptr, path, nullptr,
              MS_PRIVATE | (recursive ? unsigned{MS_REC} : 0), nullptr) != 0) {
      return -1;
    }
    if (!recursive) return RemountOne(path, set, clear);
    return RemountTree(path, set, clear);
  }

 private:
  int RemountTree(const char* path, uint64_t set, uint64_t clear) {
    mount_reader.Start(mount_table_);
    MountInfo mount;
    while (mount_reader.Next(&mount)) {
      if (!IsBelow(mount.point, path)) continue;
      if (RemountListed(mount, set, clear) == 0) continue;
      // Gone from sight, under another mount or beyond a directory that can't
      // be searched: the mount table is read back later and has the last word.
      if (errno != ENOENT && errno != EACCES && errno != EINVAL) return -1;
    }
    errno = mount_reader.error();
    return errno == 0 ? 0 : -1;
  }

  const int mount_table_;
  bool missing_ = false;
};

class ViewBuilder {
 public:
  ViewBuilder(Setup& setup, int mount_table)
      : setup_(setup),
        plan_(setup.plan()),
        mount_table_(mount_table),
        attributes_(mount_table) {}

  int Build() {
    CloneTrees();
    MakeReadOnly();
    ReopenInputs(setup_);
    OpenExecutable(setup_);
    MountStage();
    MakeCoveredOverlays();
    for (size_t i = 0; i < plan_.places.size(); ++i) MountPlace(i);
    setup_.Done(Step::kMountPlace);
    MakeDirectories();
    SealPlaces();
    MaskSockets();
    ChangeNetworkSettings(setup_);
    if (plan_.forbid_cgroups) ForbidCgroupNamespaces();
    if (plan_.protect_proc) ProtectProc();
    return stage_;
  }

  // Reads the final mount table.
  void Verify() {
    mount_reader.Start(mount_table_);
    MountInfo mount;
    while (mount_reader.Next(&mount)) {
      if (CoverIfKernel(mount)) continue;
      const bool read_only = mount.Has("ro");
      const bool no_devices = mount.Has("nodev");
      if ((read_only || MayWrite(mount.point)) &&
          (no_devices || MayHoldDevices(mount.point))) {
        continue;
      }
      // A mount under another one can't be reached by any path.
      if (!IsVisible(mount)) continue;
      setup_.Fail(Step::kVerifyMounts, -1, EROFS, mount.point);
    }
    if (mount_reader.error() != 0) {
      setup_.Fail(Step::kReadMountTable, -1, mount_reader.error());
    }
    setup_.Done(Step::kVerifyMounts);
  }

 private:
  // A writable tree, with its submounts, as it is on the host now. The path
  // was free of symbolic links when the plan was made; a link that took its
  // place since is not followed.
  void CloneTrees() {
    for (size_t i = 0; i < plan_.places.size(); ++i) {
      Place& place = plan_.places[i];
      if (place.kind != PlaceKind::kWritable) continue;
      open_how how = {};
      how.flags = O_PATH | O_CLOEXEC;
      how.resolve = RESOLVE_NO_SYMLINKS;
      const int index = static_cast<int>(i);
      const int path =
          setup_.Check(sys::OpenAt2(AT_FDCWD, place.target.c_str(), how),
                       Step::kCloneTree, index);
      const int tree = setup_.Check(
          sys::OpenTree(path, "",
                        sys::kOpenTreeClone | sys::kOpenTreeCloexec |
                            sys::kRecursive | AT_EMPTY_PATH),
          Step::kCloneTree, index);
      close(path);
      place.tree = tree;
    }
    setup_.Done(Step::kCloneTree);
  }

  void MakeReadOnly() {
    uint64_t set = sys::kMountAttrNosuid | sys::kMountAttrNodev;
    if (!plan_.root_writable) set |= sys::kMountAttrReadOnly;
    setup_.Check(attributes_.Change("/", set, 0, /*recursive=*/true),
                 Step::kMakeReadOnly);
    setup_.Done(Step::kMakeReadOnly);
  }

  void MountStage() {
    const auto check = [this](int result) {
      return setup_.Check(result, Step::kMountStage);
    };
    check(mount("encapsulate", kStage, "tmpfs", MS_NOSUID | MS_NODEV,
                "mode=0755"));
    check(chdir(kStage));
    stage_ = check(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    check(mkdir(kSealed, 0755));
    check(mknod(kEmptyFile, S_IFREG | 0444, 0));
    check(mkdir(kEmptyDirectory, 0555));
    for (size_t i = 0; i < plan_.places.size(); ++i) {
      if (plan_.places[i].kind != PlaceKind::kGenerated) continue;
      Generate(Name(kGenerated, i).c_str(), plan_.places[i].source);
    }
    check(Bind(kSealed, kSealed));
    check(attributes_.Change(kSealed, sys::kMountAttrReadOnly, 0, false));
    setup_.Done(Step::kMountStage);
  }

  void Generate(const char* path, const std::string& content) {
    const int file =
        setup_.Check(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444),
                     Step::kMountStage);
    const ssize_t written = setup_.Check(
        static_cast<int>(write(file, content.data(), content.size())),
        Step::kMountStage);
    if (written != static_cast<ssize_t>(content.size())) {
      setup_.Fail(Step::kMountStage, -1, EFBIG);
    }
    close(file);
  }

  static int Bind(const char* source, const char* target) {
    return mount(source, target, nullptr, MS_BIND, nullptr);
  }

  // Shows an empty, read-only file or directory at `path`.
  static int Cover(const char* path, bool directory) {
    return Bind(directory ? kEmptyDirectory : kEmptyFile, path);
  }

  // mkdir -p of everything above `path`; what exists already is fine.
  void MakeParents(const char* path, Step step, int index) {
    char buffer[PATH_MAX];
    const size_t length = strlen(path);
    if (length >= sizeof(buffer)) setup_.Fail(step, index, ENAMETOOLONG);
    memcpy(buffer, path, length + 1);
    for (char* slash = strchr(buffer + 1, '/'); slash != nullptr;
         slash = strchr(slash + 1, '/')) {
      *slash = '\0';
      // On a read-only filesystem mkdir(2) says EROFS even of what exists.
      struct stat info;
      if (mkdir(buffer, 0755) != 0 && stat(buffer, &info) != 0) {
        setup_.Fail(step, index);
      }
      *slash = '/';
    }
  }

  void MakePoint(const Place& place, int index) {
    const char* target = place.target.c_str();
    MakeParents(target, Step::kMakeMountPoint, index);
    const int made = place.directory ? mkdir(target, 0755)
                                     : mknod(target, S_IFREG | 0444, 0);
    if (made != 0 && errno != EEXIST) {
      setup_.Fail(Step::kMakeMountPoint, index);
    }
  }

  // A new directory of the stage, shown at `target`.
  void MountFresh(const char* target, size_t i, mode_t mode) {
    const int index = static_cast<int>(i);
    const Name name("fresh", i);
    MakeStaged(name.c_str(), mode, index);
    setup_.Check(Bind(name.c_str(), target), Step::kMountPlace, index);
  }

  // mkdir(2), whatever the umask.
  void MakeStaged(const char* name, mode_t mode, int index) {
    setup_.Check(mkdir(name, mode), Step::kMountPlace, index);
    setup_.Check(chmod(name, mode), Step::kMountPlace, index);
  }

  void MountFilesystem(const char* type, const char* target,
                       unsigned long flags, const char* data, int index,
                       bool optional = false) {
    if (mount(type, target, type, flags, data) == 0) return;
    if (optional) return;
    setup_.Fail(Step::kMountPlace, index);
  }

  // A fresh place around an overlay covers what is below it, so the overlay is
  // made before, and taken along.
  void MakeCoveredOverlays() {
    for (size_t i = 0; i < plan_.places.size(); ++i) {
      Place& place = plan_.places[i];
      if (place.kind != PlaceKind::kOverlay || !place.make_point) continue;
      MountOverlay(place, i);
      const int index = static_cast<int>(i);
      place.tree = setup_.Check(
          sys::OpenTree(AT_FDCWD, place.target.c_str(),
                        sys::kOpenTreeClone | sys::kOpenTreeCloexec),
          Step::kMountPlace, index);
      setup_.Check(umount2(place.target.c_str(), MNT_DETACH), Step::kMountPlace,
                   index);
    }
  }

  void MountOverlay(Place& place, size_t i) {
    const int index = static_cast<int>(i);
    place.lower = setup_.Check(
        open(place.target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC),
        Step::kMountPlace, index);
    // The mount's own directory has to look like the one it covers.
    struct stat info;
    setup_.Check(fstat(place.lower, &info), Step::kMountPlace, index);
    MakeStaged(Name("upper", i).c_str(), info.st_mode & 07777, index);
    MakeStaged(Name("work", i).c_str(), 0700, index);
    setup_.Check(mount("overlay", place.target.c_str(), "overlay",
                       MS_NOSUID | MS_NODEV, place.source.c_str()),
                 Step::kMountPlace, index);
  }

  // /dev is put together in the stage, because the host's nodes can't be bound
  // any more once it covers them.
  void MountDev(const Place& place, size_t i) {
    const int index = static_cast<int>(i);
    const auto check = [&](int result) {
      setup_.Check(result, Step::kMountPlace, index);
    };
    // 0755: in a sticky 1777 directory, opening the nodes with O_CREAT would
    // be refused to ordinary users (fs.protected_regular).
    MakeStaged("dev", 0755, index);
    check(Bind("dev", "dev"));
    check(symlink("/proc/self/fd", "dev/fd"));
    check(symlink("/proc/self/fd/0", "dev/stdin"));
    check(symlink("/proc/self/fd/1", "dev/stdout"));
    check(symlink("/proc/self/fd/2", "dev/stderr"));
    check(symlink("pts/ptmx", "dev/ptmx"));
    for (size_t j = 0; j < plan_.places.size(); ++j) {
      const Place& device = plan_.places[j];
      if (device.kind != PlaceKind::kDevice) continue;
      const Text<64> point("dev", strrchr(device.target.c_str(), '/'));
      const int device_index = static_cast<int>(j);
      setup_.Check(mknod(point.c_str(), S_IFREG | 0444, 0),
                   Step::kMakeMountPoint, device_index);
      setup_.Check(Bind(device.source.c_str(), point.c_str()),
                   Step::kMountPlace, device_index);
    }
    check(attributes_.Change("/proc/dev", 0, sys::kMountAttrNodev, true));
    check(mount("dev", place.target.c_str(), nullptr, MS_MOVE, nullptr));
  }

  void MountWritable(const Place& place, int index) {
    setup_.Check(sys::MoveMount(place.tree, AT_FDCWD, place.target.c_str()),
                 Step::kMountPlace, index);
    close(place.tree);
    uint64_t set = sys::kMountAttrNosuid;
    if (!place.devices) set |= sys::kMountAttrNodev;
    setup_.Check(attributes_.Change(place.target.c_str(), set, 0, true),
                 Step::kMountPlace, index);
  }

  void MountPlace(size_t i) {
    Place& place = plan_.places[i];
    const int index = static_cast<int>(i);
    const char* target = place.target.c_str();
    constexpr unsigned long kInert = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (place.make_point && place.kind != PlaceKind::kDevice) {
      MakePoint(place, index);
    }
    switch (place.kind) {
      case PlaceKind::kWritable:
        MountWritable(place, index);
        break;
      case PlaceKind::kTmpfs: {
        // As for mount(8), 0 would be no limit.
        const Text<64> data("mode=1777,size=", place.size);
        MountFilesystem("tmpfs", target, MS_NOSUID | MS_NODEV,
                        place.size != 0 ? data.c_str() : "mode=1777", index);
        break;
      }
      case PlaceKind::kOverlay:
        if (place.make_point) {
          setup_.Check(sys::MoveMount(place.tree, AT_FDCWD, target),
                       Step::kMountPlace, index);
          close(place.tree);
        } else {
          MountOverlay(place, i);
        }
        break;
      case PlaceKind::kHidden:
        if (place.seal) {
          MountFresh(target, i, 0755);
        } else {
          setup_.Check(Cover(target, place.directory), Step::kMountPlace,
                       index);
        }
        break;
      case PlaceKind::kDev:
        MountDev(place, i);
        break;
      case PlaceKind::kDevice:
        break;  // came with /dev
      case PlaceKind::kDevPts:
        MountFilesystem("devpts", target, MS_NOSUID | MS_NOEXEC,
                        "newinstance,ptmxmode=0666,mode=0620", index);
        break;
      case PlaceKind::kShm:
        MountFresh(target, i, 01777);
        break;
      case PlaceKind::kMqueue:
        // A kernel without POSIX queues has nothing to isolate.
        MountFilesystem("mqueue", target, kInert, nullptr, index,
                        /*optional=*/true);
        break;
      case PlaceKind::kProc:
        MountFilesystem("proc", target, kInert, nullptr, index);
        break;
      case PlaceKind::kSys:
        MountFilesystem("sysfs", target, kInert | MS_RDONLY, nullptr, index);
        break;
      case PlaceKind::kCgroup:
        // Only shown where the kernel lets it be; its absence hides things.
        MountFilesystem("cgroup2", target, kInert | MS_RDONLY, nullptr, index,
                        /*optional=*/true);
        break;
      case PlaceKind::kGenerated:
        setup_.Check(
            Bind(Name(kGenerated, static_cast<size_t>(index)).c_str(), target),
            Step::kMountPlace, index);
        break;
    }
  }

  void MakeDirectories() {
    for (size_t i = 0; i < plan_.make_directories.size(); ++i) {
      const char* path = plan_.make_directories[i].c_str();
      const int index = static_cast<int>(i);
      MakeParents(path, Step::kMakeDirectory, index);
      if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        setup_.Fail(Step::kMakeDirectory, index);
      }
    }
  }

  void SealPlaces() {
    for (size_t i = 0; i < plan_.places.size(); ++i) {
      if (!plan_.places[i].seal) continue;
      setup_.Check(attributes_.Change(plan_.places[i].target.c_str(),
                                      sys::kMountAttrReadOnly, 0, false),
                   Step::kSealPlace, static_cast<int>(i));
    }
  }

  // The caller has looked for them in the meantime.
  void MaskSockets() {
    while (plan_.mask_sockets) {
      Message& message = message_buffer;
      if (!ReceiveMessage(setup_.control(), &message) ||
          message.kind != MessageKind::kMasks) {
        _exit(1);  // the caller is gone or has given up
      }
      if (message.text_size == 0) break;
      const char* end = message.text + message.text_size;
      for (const char* path = message.text; path < end;
           path += strlen(path) + 1) {
        MaskSocket(path);
      }
    }
    setup_.Done(Step::kMaskSocket);
  }

  void MaskSocket(const char* path) {
    if (Cover(path, /*directory=*/false) == 0) return;
    // Gone since, or in a directory that nobody in here can search.
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return;
    setup_.Fail(Step::kMaskSocket, -1, errno, path);
  }

  // In a user and a cgroup namespace of its own, the command could mount the
  // cgroup filesystem, and change the caller's cgroup as far as file modes let
  // it: as root, all of it. Other callers keep these namespaces, because other
  // sandboxes insist on them.
  void ForbidCgroupNamespaces() {
    const int file =
        open("/proc/sys/user/max_cgroup_namespaces", O_WRONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) return;  // a kernel without cgroups
    setup_.Check(file, Step::kForbidCgroups);
    setup_.Check(static_cast<int>(write(file, "0", 1)), Step::kForbidCgroups);
    close(file);
    setup_.Done(Step::kForbidCgroups);
  }

  // Everything in /proc but the processes becomes read-only. Each entry is a
  // mount of its own; such mounts make the kernel refuse new procfs mounts in
  // nested namespaces, so this is done only for root.
  void ProtectProc() {
    const auto check = [this](int result) {
      return setup_.Check(result, Step::kProtectProc);
    };
    // Read-only for as long as it takes to bind from it.
    check(attributes_.Change("/proc", sys::kMountAttrReadOnly, 0, false));
    const int directory =
        check(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    alignas(dirent64) char buffer[8192];
    ssize_t size;
    while ((size = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) >
           0) {
      for (ssize_t offset = 0; offset < size;) {
        const auto* entry = reinterpret_cast<dirent64*>(buffer + offset);
        offset += entry->d_reclen;
        ProtectProcEntry(directory, *entry);
      }
    }
    check(static_cast<int>(size));
    close(directory);
    check(attributes_.Change("/proc", 0, sys::kMountAttrReadOnly, false));
    setup_.Done(Step::kProtectProc);
  }

  void ProtectProcEntry(int directory, const dirent64& entry) {
    const char* name = entry.d_name;
    const bool process = name[0] >= '0' && name[0] <= '9';
    // Init's own files are its uid's like others: oom_score_adj, autogroup.
    if (name[0] == '.' || (process && strcmp(name, "1") != 0)) return;
    if (entry.d_type == DT_LNK) return;
    struct stat info;
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    const bool writable = S_ISREG(info.st_mode) && (info.st_mode & 0222) != 0;
    if (!S_ISDIR(info.st_mode) && !writable) return;
    const Text<NAME_MAX + sizeof("/proc/")> path("/proc/", name);
    setup_.Check(Bind(path.c_str(), path.c_str()), Step::kProtectProc);
  }

  const Place* PlaceAt(const char* path) const {
    for (const Place& place : plan_.places) {
      if (strcmp(place.target.c_str(), path) == 0) return &place;
    }
    return nullptr;
  }

  // The innermost place that `path` is in; null if it is plain host.
  const Place* PlaceAround(const char* path) const {
    const Place* around = nullptr;
    for (const Place& place : plan_.places) {  // outer before inner
      if (IsBelow(path, place.target.c_str())) around = &place;
    }
    return around;
  }

  bool MayWrite(const char* point) const {
    const Place* place = PlaceAround(point);
    if (place == nullptr) return plan_.root_writable;
    switch (place->kind) {
      case PlaceKind::kWritable:
        return true;  // with its submounts
      case PlaceKind::kTmpfs:
      case PlaceKind::kOverlay:
      case PlaceKind::kShm:
      case PlaceKind::kMqueue:
      case PlaceKind::kDevPts:
      case PlaceKind::kProc:
        return strcmp(point, place->target.c_str()) == 0;
      case PlaceKind::kDevice:
        return true;  // the node is protected by its own mode
      case PlaceKind::kHidden:
      case PlaceKind::kDev:
      case PlaceKind::kSys:
      case PlaceKind::kCgroup:
      case PlaceKind::kGenerated:
        return false;
    }
    return false;
  }

  bool MayHoldDevices(const char* point) const {
    const Place* place = PlaceAround(point);
    return place != nullptr &&
           (place->devices || place->kind == PlaceKind::kDevice ||
            place->kind == PlaceKind::kDev ||
            place->kind == PlaceKind::kDevPts);
  }

  // Whether `mount` is what its path leads to (STATX_MNT_ID, Linux 5.8); if in
  // doubt, it is.
  static bool IsVisible(const MountInfo& mount) {
    struct statx info;
    if (statx(AT_FDCWD, mount.point,
              AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
              STATX_MNT_ID, &info) != 0) {
      return errno != ENOENT && errno != EACCES && errno != ENOTDIR;
    }
    return (info.stx_mask & STATX_MNT_ID) == 0 ||
           static_cast<int>(info.stx_mnt_id) == mount.id;
  }

  // Filesystems that show the host's kernel wherever they are mounted: a
  // second procfs in a chroot has doors to the host's root in it.
  static bool ShowsKernel(const char* type) {
    for (const char* name :
         {"proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts", "mqueue",
          "bpf", "binfmt_misc", "configfs", "debugfs", "efivarfs", "nfsd",
          "pstore", "resctrl", "rpc_pipefs", "securityfs", "tracefs"}) {
      if (strcmp(type, name) == 0) return true;
    }
    return false;
  }

  bool CoverIfKernel(const MountInfo& mount) {
    if (!ShowsKernel(mount.type)) return false;
    if (PlaceAt(mount.point) != nullptr) return false;
    const Place* around = PlaceAround(mount.point);
    if (around != nullptr) {
      // In the sandbox's own /proc, /sys and /dev there is nothing else, and
      // what the caller named by its own path is meant to be seen.
      if (around->kind != PlaceKind::kWritable &&
          around->kind != PlaceKind::kOverlay) {
        return false;
      }
      if (around->devices) return false;
    }
    // Objects pinned in a bpf filesystem can be changed through a read-only
    // mount.
    if (plan_.host_sys && IsBelow(mount.point, "/sys") &&
        strcmp(mount.type, "bpf") != 0) {
      return false;
    }
    struct stat info;
    if (!IsVisible(mount) || lstat(mount.point, &info) != 0) return false;
    if (Cover(mount.point, S_ISDIR(info.st_mode)) != 0) {
      setup_.Fail(Step::kCoverMount, -1, errno, mount.point);
    }
    return true;
  }

  Setup& setup_;
  Plan& plan_;
  const int mount_table_;
  Attributes attributes_;
  int stage_ = -1;
};

}  // namespace

void BuildView(Setup& setup, int mount_table, int* stage) {
  ViewBuilder builder(setup, mount_table);
  *stage = builder.Build();
  builder.Verify();
}

}  // namespace encapsulate
