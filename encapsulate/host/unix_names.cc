// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/unix_names.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/local_paths.h"
#include "encapsulate/host/mount_table.h"

namespace encapsulate {
namespace {

bool ReadList(std::string* list) {
  const UniqueFd file(open("/proc/net/unix", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
  }
  char buffer[16384];
  ssize_t size;
  while ((size = read(file.get(), buffer, sizeof(buffer))) != 0) {
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    list->append(buffer, static_cast<size_t>(size));
  }
  return true;
}

// "0000000000000000: 00000002 ...", in hexadecimal.
bool IsFirstLine(absl::string_view line) {
  const size_t colon = line.find(": ");
  return colon != absl::string_view::npos && colon >= 8 &&
         absl::c_all_of(line.substr(0, colon), [](unsigned char c) {
           return absl::ascii_isxdigit(c);
         });
}

// What follows the seven columns; empty if nothing does.
absl::string_view NameIn(absl::string_view entry) {
  for (int column = 0; column < 7; ++column) {
    entry = absl::StripLeadingAsciiWhitespace(entry);
    const size_t end = entry.find(' ');
    if (end == absl::string_view::npos) return "";
    entry.remove_prefix(end);
  }
  absl::ConsumePrefix(&entry, " ");
  return entry;
}

}  // namespace

bool ListUnixNames(const std::function<void(absl::string_view)>& use) {
  std::string list;
  if (!ReadList(&list)) return false;
  const absl::string_view text = absl::StripSuffix(list, "\n");
  const auto use_entry = [&](size_t begin, size_t end) {
    const absl::string_view name = NameIn(text.substr(begin, end - begin));
    if (!name.empty()) use(name);
  };
  // A name may hold line feeds, and then its line has others after it.
  size_t begin = 0;
  for (size_t feed = text.find('\n'); feed != absl::string_view::npos;
       feed = text.find('\n', feed + 1)) {
    const absl::string_view rest = text.substr(feed + 1);
    if (!IsFirstLine(rest.substr(0, rest.find('\n')))) continue;
    use_entry(begin, feed);
    begin = feed + 1;
  }
  use_entry(begin, text.size());
  return true;
}

bool IsWellKnownUnixName(absl::string_view name) {
  return absl::c_any_of(
      std::initializer_list<const char*>{
          "/tmp/.X11-unix/X0", "@/tmp/.X11-unix/X0", "/tmp/.s.PGSQL.5432",
          "/tmp/ssh-*/agent.*"},
      [text = std::string(name)](const char* pattern) {
        return fnmatch(pattern, text.c_str(), FNM_PATHNAME) == 0;
      });
}

bool HostUnixNames::Has(const std::string& name) {
  if (!read_) {
    read_ = true;
    // A list that can't be read names nobody.
    static_cast<void>(
        ListUnixNames([this](absl::string_view one) { names_.emplace(one); }));
  }
  if (names_.count(name) == 0) return false;
  if (name[0] == '@') return true;
  const absl::StatusOr<MountTable> table = MountTable::Read();
  struct stat info;
  return table.ok() &&
         LocalPaths(*table).Find(ParentOf(name)).state ==
             LocalPaths::Directory::State::kLocal &&
         table->At(name) == MountTable::Point::kNone &&
         lstat(name.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace encapsulate
