#include "gtest_plugin/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "encapsulate/unique_fd.h"

namespace encapsulate {
namespace {

std::vector<int> OpenDescriptors() {
  std::vector<int> descriptors;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd", error)) {
    descriptors.push_back(atoi(entry.path().filename().c_str()));
  }
  return descriptors;
}

void ShowThroughView(int fd) {
  struct stat before;
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &before) != 0) return;
  const bool is_directory = S_ISDIR(before.st_mode);
  const bool is_input = S_ISREG(before.st_mode) && before.st_nlink > 0 &&
                        ((flags & O_ACCMODE) == O_RDONLY);
  if (!is_directory && !is_input) return;

  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path) - 1);
  path[size > 0 ? size : 0] = '\0';
  constexpr int kKept = O_PATH | O_DIRECTORY | O_NONBLOCK | O_NOATIME;
  const UniqueFd fresh(open(path, O_RDONLY | O_NOCTTY | (flags & kKept)));
  struct stat after;
  if (!fresh.valid() || fstat(fresh.get(), &after) != 0 ||
      after.st_dev != before.st_dev || after.st_ino != before.st_ino) {
    close(fd);
    return;
  }
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  if (offset > 0) lseek(fresh.get(), offset, SEEK_SET);
  const int close_on_exec =
      (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0;
  dup3(fresh.get(), fd, close_on_exec);
}

}  // namespace

void ShowDescriptorsThroughView() {
  // 0 to 2 are the core's.
  for (int fd : OpenDescriptors()) {
    if (fd > STDERR_FILENO) ShowThroughView(fd);
  }
}

}  // namespace encapsulate
