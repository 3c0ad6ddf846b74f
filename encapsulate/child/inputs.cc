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
  for (Input& input : setup.plan().inputs) {
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
    input.original = check(fcntl(input.fd, F_DUPFD_CLOEXEC, 3));
    input.reopened = fresh;
    check(dup3(fresh, input.fd, 0));
  }
  setup.Done(Step::kReopenInput);
}

void ReopenDevices(Setup& setup) {
  const Plan& plan = setup.plan();
  for (int fd : plan.keep_descriptors) {
    const auto check = [&](int result) {
      return setup.Check(result, Step::kReopenInput, fd);
    };
    struct stat before;
    check(fstat(fd, &before));
    // A terminal's access is its session's.
    if (!S_ISCHR(before.st_mode) || isatty(fd)) continue;
    for (const Place& place : plan.places) {
      if (place.kind != PlaceKind::kDevice) continue;
      struct stat after;
      check(stat(place.target.c_str(), &after));
      if (before.st_dev != after.st_dev || before.st_ino != after.st_ino) {
        continue;
      }
      const int flags = check(fcntl(fd, F_GETFL));
      const int fresh =
          open(place.target.c_str(),
               (flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC);
      if (fresh < 0 && IsHarmless(fd, before)) break;
      check(dup3(check(fresh), fd, 0));
      close(fresh);
      break;
    }
  }
}

}  // namespace encapsulate
