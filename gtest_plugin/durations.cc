#include "gtest_plugin/durations.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/unique_fd.h"

namespace encapsulate {
namespace {

mode_t CurrentUmask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

absl::Status CannotWrite(const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write '", path, "'"));
}

}  // namespace

absl::StatusOr<Durations> Durations::Read(const std::string& path) {
  Durations durations(path);
  std::ifstream file(path);
  if (!file.is_open()) {
    if (errno == ENOENT) return durations;
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read '", path, "'"));
  }
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const size_t space = line.find(' ');
    absl::Duration duration;
    if (space == std::string::npos || space + 1 == line.size() ||
        !absl::ParseDuration(line.substr(0, space), &duration)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot use '", path, "' for durations of tests: line ",
                       number, " is not like '1.5s SuiteTest.Name'"));
    }
    durations.known_[line.substr(space + 1)] = duration;
  }
  return durations;
}

absl::Duration Durations::Of(const std::string& test) const {
  const auto found = known_.find(test);
  return found != known_.end() ? found->second : absl::InfiniteDuration();
}

void Durations::Set(const std::string& test, absl::Duration duration) {
  fresh_[test] = absl::Trunc(duration, absl::Microseconds(1));
}

absl::Status Durations::Write() const {
  absl::StatusOr<Durations> merged = Read(path_);
  if (!merged.ok()) return merged.status();
  std::string text;
  for (const auto& test : fresh_) merged->known_[test.first] = test.second;
  for (const auto& test : merged->known_) {
    absl::StrAppend(&text, absl::FormatDuration(test.second), " ", test.first,
                    "\n");
  }
  // Whoever reads it meanwhile finds the file of before.
  std::string fresh = absl::StrCat(path_, ".XXXXXX");
  const UniqueFd fd(mkostemp(&fresh[0], O_CLOEXEC));
  if (!fd.valid()) return CannotWrite(path_);
  fchmod(fd.get(), 0666 & ~CurrentUmask());
  const bool good = write(fd.get(), text.data(), text.size()) ==
                        static_cast<ssize_t>(text.size()) &&
                    rename(fresh.c_str(), path_.c_str()) == 0;
  if (good) return absl::OkStatus();
  absl::Status status = CannotWrite(path_);
  unlink(fresh.c_str());
  return status;
}

}  // namespace encapsulate
