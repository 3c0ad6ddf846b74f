// SPDX-License-Identifier: Apache-2.0
//
// The filesystem view. In order: clone the writable trees while they are
// writable; make everything read-only; mount the places over it; mask the
// host's sockets; read the mount table back, cover what shows the host's
// kernel, and fail on anything that is writable and shouldn't be. Fresh places
// that may be renewed come after all of that (fresh_places.h).
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
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "encapsulate/child/fresh_places.h"
#include "encapsulate/child/mount_attributes.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/child/stage.h"
#include "encapsulate/kernel/directory_reader.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

constexpr char kStage[] = "/proc";
// The child has one thread, and this is too large for a stack.
Message message_buffer;

// Of something in the stage: a word and a number.
using Name = Text<48>;

class ViewBuilder {
 public:
  ViewBuilder(Setup& setup, int mount_table, const FreshPlaces& fresh)
      : setup_(setup),
        plan_(setup.plan()),
        fresh_(fresh),
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
    if (!fresh_.can_renew()) {
      StepFailure failure;
      if (!MakeDirectories(plan_, &failure)) {
        setup_.Fail(failure.step, failure.index);
      }
    }
    SealPlaces();
    MaskSockets();
    ChangeNetworkSettings(setup_);
    if (plan_.forbid_cgroups) ForbidCgroupNamespaces();
    if (plan_.protect_proc) ProtectProc();
    return stage_;
  }

 private:
  // A writable or shown tree, with its submounts, as it is on the host now. The
  // path was free of symbolic links when the plan was made; a link that took
  // its place since is not followed.
  void CloneTrees() {
    for (size_t i = 0; i < plan_.places.size(); ++i) {
      const ChildPlace& place = plan_.places[i];
      if (place.kind != PlaceKind::kWritable &&
          place.kind != PlaceKind::kShown) {
        continue;
      }
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
      setup_.notes().places[i].tree = tree;
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

  void Generate(const char* path, const PlainText& content) {
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

  // A new directory of the stage, shown at `target`.
  void MountStaged(const char* target, size_t i, mode_t mode) {
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
      const ChildPlace& place = plan_.places[i];
      if (place.kind != PlaceKind::kOverlay || !place.make_point) continue;
      MountOverlay(place, i);
      const int index = static_cast<int>(i);
      setup_.notes().places[i].tree = setup_.Check(
          sys::OpenTree(AT_FDCWD, place.target.c_str(),
                        sys::kOpenTreeClone | sys::kOpenTreeCloexec),
          Step::kMountPlace, index);
      setup_.Check(umount2(place.target.c_str(), MNT_DETACH), Step::kMountPlace,
                   index);
    }
  }

  void MountOverlay(const ChildPlace& place, size_t i) {
    const int index = static_cast<int>(i);
    const int lower = setup_.Check(
        open(place.target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC),
        Step::kMountPlace, index);
    setup_.notes().places[i].lower = lower;
    // The mount's own directory has to look like the one it covers.
    struct stat info;
    setup_.Check(fstat(lower, &info), Step::kMountPlace, index);
    MakeStaged(Name("upper", i).c_str(), info.st_mode & 07777, index);
    MakeStaged(Name("work", i).c_str(), 0700, index);
    setup_.Check(mount("overlay", place.target.c_str(), "overlay",
                       MS_NOSUID | MS_NODEV, place.source.c_str()),
                 Step::kMountPlace, index);
  }

  // /dev is put together in the stage, because the host's nodes can't be bound
  // any more once it covers them.
  void MountDev(const ChildPlace& place, size_t i) {
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
      const ChildPlace& device = plan_.places[j];
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

  void MountTree(const ChildPlace& place, size_t i) {
    const int index = static_cast<int>(i);
    MoveTree(i);
    uint64_t set = sys::kMountAttrNosuid;
    if (!place.devices) set |= sys::kMountAttrNodev;
    if (place.kind == PlaceKind::kShown) set |= sys::kMountAttrReadOnly;
    setup_.Check(attributes_.Change(place.target.c_str(), set, 0, true),
                 Step::kMountPlace, index);
  }

  void MoveTree(size_t i) {
    const int tree = setup_.notes().places[i].tree;
    setup_.Check(sys::MoveMount(tree, AT_FDCWD, plan_.places[i].target.c_str()),
                 Step::kMountPlace, static_cast<int>(i));
    close(tree);
  }

  void MountPlace(size_t i) {
    const ChildPlace& place = plan_.places[i];
    const int index = static_cast<int>(i);
    const char* target = place.target.c_str();
    constexpr unsigned long kInert = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const bool later = fresh_.can_renew() && IsFresh(place.kind);
    if (place.make_point && place.kind != PlaceKind::kDevice &&
        !(later && fresh_.HoldPoint(place)) && !MakePoint(place)) {
      setup_.Fail(Step::kMakeMountPoint, index);
    }
    if (later) return;
    switch (place.kind) {
      case PlaceKind::kWritable:
      case PlaceKind::kShown:
        MountTree(place, i);
        break;
      case PlaceKind::kTmpfs:
      case PlaceKind::kShm:
        if (!MountFresh(place)) setup_.Fail(Step::kMountPlace, index);
        break;
      case PlaceKind::kOverlay:
        if (place.make_point) {
          MoveTree(i);
        } else {
          MountOverlay(place, i);
        }
        break;
      case PlaceKind::kHidden:
        if (place.seal) {
          MountStaged(target, i, 0755);
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
      case PlaceKind::kMqueue:
        // A kernel without POSIX queues has nothing to isolate.
        MountFilesystem("mqueue", target, kInert, nullptr, index,
                        /*optional=*/true);
        break;
      case PlaceKind::kProc:
        // Init's counters would tell how often the sandbox was used.
        MountFilesystem("proc", target, kInert,
                        plan_.reusable ? "hidepid=4" : nullptr, index);
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
    DirectoryReader<8192> reader;
    reader.Start(directory);
    while (const dirent64* const entry = reader.Next()) {
      ProtectProcEntry(directory, *entry);
    }
    if (reader.error() != 0) setup_.Fail(Step::kProtectProc);
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

  Setup& setup_;
  const ChildPlan& plan_;
  const FreshPlaces& fresh_;
  MountAttributes attributes_;
  int stage_ = -1;
};

}  // namespace

void BuildView(Setup& setup, int mount_table, int* stage, FreshPlaces* fresh) {
  ViewBuilder builder(setup, mount_table, *fresh);
  *stage = builder.Build();
  VerifyView(setup, mount_table);
  if (!fresh->can_renew()) return;
  StepFailure failure;
  if (!fresh->Mount(&failure)) setup.Fail(failure.step, failure.index);
  setup.Done(Step::kMountPlace);
  const char* point = "";
  if (!fresh->Note(mount_table, &point)) {
    setup.Fail(errno == EROFS ? Step::kVerifyMounts : Step::kReadMountTable, -1,
               errno, point);
  }
  setup.Done(Step::kVerifyMounts);
}

}  // namespace encapsulate
