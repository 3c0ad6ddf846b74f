// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "encapsulate/child/setup.h"

namespace encapsulate {
namespace {

// Whether nobody inside could change the file through `fd` anyway: it belongs
// to someone else and its mode keeps us out.
bool IsHarmless(int fd, const struct stat& info) {
  return info.st_uid != geteuid() &&
         faccessat(fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0;
}

}  // namespace

void ReopenInputs(Setup& setup) {
  for (size_t i = 0; i < setup.plan().inputs.size(); ++i) {
    const ChildInput& input = setup.plan().inputs[i];
    ChildNotes::Input& noted = setup.notes().inputs[i];
    const auto check = [&](int result) {
      return setup.Check(result, Step::kReopenInput, input.fd);
    };
    struct stat before;
    check(fstat(input.fd, &before));
    const int flags = check(fcntl(input.fd, F_GETFL));
    const int fresh = open(input.path.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC |
                                                   (flags & O_NONBLOCK));
    struct stat after;
    if (fresh < 0 || fstat(fresh, &after) != 0 ||
        before.st_dev != after.st_dev || before.st_ino != after.st_ino) {
      if (fresh >= 0) close(fresh);
      if (IsHarmless(input.fd, before)) continue;
      setup.Fail(Step::kReopenInput, input.fd, ESTALE);
    }
    const off_t offset = lseek(input.fd, 0, SEEK_CUR);
    if (offset >= 0) lseek(fresh, offset, SEEK_SET);
    noted.original = check(fcntl(input.fd, F_DUPFD_CLOEXEC, 3));
    noted.reopened = fresh;
    check(dup3(fresh, input.fd, 0));
  }
  setup.Done(Step::kReopenInput);
}

namespace {

constexpr int kNoDevice = -1;  // or nobody can change it
constexpr int kKeptFlags = O_ACCMODE | O_NONBLOCK;

// The device that `fd` leads to, opened in the sandbox's /dev.
int OpenDevice(const Setup& setup, int fd, const struct stat& before) {
  const auto check = [&](int result) {
    return setup.Check(result, Step::kReopenInput, fd);
  };
  for (const ChildPlace& place : setup.plan().places) {
    if (place.kind != PlaceKind::kDevice) continue;
    struct stat after;
    check(stat(place.target.c_str(), &after));
    if (before.st_dev != after.st_dev || before.st_ino != after.st_ino) {
      continue;
    }
    const int flags = check(fcntl(fd, F_GETFL));
    const int fresh =
        open(place.target.c_str(), (flags & kKeptFlags) | O_NOCTTY | O_CLOEXEC);
    if (fresh < 0 && IsHarmless(fd, before)) return kNoDevice;
    return check(fresh);
  }
  return kNoDevice;
}

bool IsDevice(const Setup& setup, int fd, struct stat* info) {
  setup.Check(fstat(fd, info), Step::kReopenInput, fd);
  // A terminal's access is its session's.
  return S_ISCHR(info->st_mode) && !isatty(fd);
}

}  // namespace

void ReopenDevices(Setup& setup) { ReopenDevices(setup, OpenedDevices()); }

void ReopenDevices(Setup& setup, const OpenedDevices& opened) {
  for (int fd : setup.plan().keep_descriptors) {
    struct stat info;
    if (!IsDevice(setup, fd, &info)) continue;
    int there = kNoDevice;
    for (const OpenedDevices::Device& device : opened.devices) {
      if (device.file >= 0 && device.device == info.st_dev &&
          device.inode == info.st_ino &&
          device.flags == (fcntl(fd, F_GETFL) & kKeptFlags)) {
        there = device.file;
      }
    }
    const int fresh = there != kNoDevice ? there : OpenDevice(setup, fd, info);
    if (fresh == kNoDevice) continue;
    setup.Check(dup3(fresh, fd, 0), Step::kReopenInput, fd);
    if (there == kNoDevice) close(fresh);
  }
}

void OpenDevices(Setup& setup, OpenedDevices* opened) {
  size_t count = 0;
  for (int fd : setup.plan().keep_descriptors) {
    struct stat info;
    if (count == OpenedDevices::kMost || !IsDevice(setup, fd, &info)) continue;
    const int file = OpenDevice(setup, fd, info);
    if (file == kNoDevice) continue;
    opened->devices[count++] = {info.st_dev, info.st_ino,
                                fcntl(fd, F_GETFL) & kKeptFlags, file};
  }
}

}  // namespace encapsulate
