// SPDX-License-Identifier: Apache-2.0
//
// What a forked child shares with the host by its memory: files that its parent
// has mapped with MAP_SHARED, and System V segments that it has attached. The
// child's view has no say in either.
//
// A file's mapping is replaced by a private one, of the same file through the
// view; unless the caller has named the file as writable, or the mapping can't
// become writable (mprotect(2)). What the view doesn't have is refused. Memory
// without a name, MAP_ANONYMOUS or of memfd_create(2), leads to no file and is
// left alone: programs talk to their children by it.
#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>

#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

struct Mapping {
  uintptr_t start;
  uintptr_t end;
  int protection;
  off_t offset;
  uint64_t inode;
  const char* name;
};

// --- Finding them -----------------------------------------------------------

// Of the kernel's linux/fs.h, Linux 6.11.
struct Query {
  uint64_t size = sizeof(Query);
  uint64_t flags = 0;
  uint64_t address = 0;
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t found_flags = 0;
  uint64_t page_size = 0;
  uint64_t offset = 0;
  uint64_t inode = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint32_t name_size = 0;
  uint32_t build_id_size = 0;
  uint64_t name = 0;
  uint64_t build_id = 0;
};
constexpr unsigned long kQuery = _IOWR('f', 17, Query);  // PROCMAP_QUERY
constexpr uint64_t kReadable = 0x01;
constexpr uint64_t kWritable = 0x02;
constexpr uint64_t kExecutable = 0x04;
constexpr uint64_t kShared = 0x08;
constexpr uint64_t kThisOrNext = 0x10;
constexpr uint64_t kOfFile = 0x20;

// The shared mappings of files of this process, in order of their addresses.
// Each look-up is a new one, so they may be replaced meanwhile.
class Mappings {
 public:
  explicit Mappings(int maps) : maps_(maps) {}

  // Sets `mapping`, or returns false at the end or on an error.
  bool Next(Mapping* mapping) {
    return queries_ ? Ask(mapping) : Read(mapping);
  }

  // An errno; 0 at the end.
  int error() const { return error_; }

 private:
  bool Ask(Mapping* mapping) {
    Query query;
    query.flags = kShared | kThisOrNext | kOfFile;
    query.address = next_;
    query.name = reinterpret_cast<uint64_t>(buffer_);
    query.name_size = sizeof(buffer_);
    if (ioctl(maps_, kQuery, &query) != 0) {
      if (errno == ENOTTY || errno == ENOSYS) {
        queries_ = false;
        return Read(mapping);
      }
      error_ = errno == ENOENT ? 0 : errno;
      return false;
    }
    next_ = query.end;
    mapping->start = query.start;
    mapping->end = query.end;
    mapping->protection =
        ((query.found_flags & kReadable) != 0 ? PROT_READ : 0) |
        ((query.found_flags & kWritable) != 0 ? PROT_WRITE : 0) |
        ((query.found_flags & kExecutable) != 0 ? PROT_EXEC : 0);
    mapping->offset = static_cast<off_t>(query.offset);
    mapping->inode = query.inode;
    mapping->name = buffer_;
    return true;
  }

  // The lines of proc_pid_maps(5).
  bool Read(Mapping* mapping) {
    for (;;) {
      char* const line = buffer_ + line_;
      char* const end = static_cast<char*>(memchr(line, '\n', held_ - line_));
      if (end == nullptr) {
        if (!Fill()) return false;
        continue;
      }
      *end = '\0';
      line_ = static_cast<size_t>(end + 1 - buffer_);
      if (Parse(line, mapping)) return true;
    }
  }

  bool Fill() {
    held_ -= line_;
    memmove(buffer_, buffer_ + line_, held_);
    line_ = 0;
    if (held_ == sizeof(buffer_)) {
      error_ = ENAMETOOLONG;
      return false;
    }
    const ssize_t size = read(maps_, buffer_ + held_, sizeof(buffer_) - held_);
    if (size < 0) error_ = errno;
    if (size > 0) held_ += static_cast<size_t>(size);
    return size > 0;
  }

  // False if the line isn't of a shared file.
  static bool Parse(const char* at, Mapping* mapping) {
    mapping->start = ReadNumber(&at, 16);
    ++at;
    mapping->end = ReadNumber(&at, 16);
    mapping->protection = (at[1] == 'r' ? PROT_READ : 0) |
                          (at[2] == 'w' ? PROT_WRITE : 0) |
                          (at[3] == 'x' ? PROT_EXEC : 0);
    if (at[4] != 's') return false;
    at += 6;
    mapping->offset = static_cast<off_t>(ReadNumber(&at, 16));
    ++at;
    ReadNumber(&at, 16);  // the device
    ++at;
    ReadNumber(&at, 16);
    ++at;
    mapping->inode = ReadNumber(&at, 10);
    while (*at == ' ') ++at;
    mapping->name = at;
    return true;
  }

  const int maps_;
  bool queries_ = true;
  int error_ = 0;
  uint64_t next_ = 0;
  size_t line_ = 0;
  size_t held_ = 0;
  char buffer_[2 * PATH_MAX];
};

// --- Replacing them ---------------------------------------------------------

bool StartsWith(const char* text, const char* start) {
  return strncmp(text, start, strlen(start)) == 0;
}

bool IsBelow(const char* path, const PlainText& tree) {
  if (tree.size() == 1) return path[0] == '/';
  return strncmp(path, tree.c_str(), tree.size()) == 0 &&
         (path[tree.size()] == '\0' || path[tree.size()] == '/');
}

// Whether the caller has named it: the innermost place is the last.
bool IsNamed(const ChildPlan& plan, const char* path) {
  bool named = false;
  for (const ChildPlace& place : plan.places) {
    if (IsBelow(path, place.target)) {
      named = place.kind == PlaceKind::kWritable;
    }
  }
  return named;
}

// The file through the view; -1, with errno, if that doesn't have it.
int OpenThroughView(const Mapping& mapping) {
  if (mapping.name[0] != '/') {
    errno = ENOENT;  // not a file: "anon_inode:[io_uring]"
    return -1;
  }
  const int path = open(mapping.name, O_PATH | O_CLOEXEC);
  if (path < 0) return -1;
  struct stat info;
  int file = -1;
  if (fstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
      info.st_ino == mapping.inode) {
    file = open(mapping.name, O_RDONLY | O_CLOEXEC);
  } else {
    errno = ESTALE;
  }
  const int error = errno;
  close(path);
  errno = error;
  return file;
}

// Memory that has no name any more, or never had one.
bool IsNameless(const char* name) {
  constexpr char kDeleted[] = " (deleted)";
  const size_t size = strlen(name);
  return size >= sizeof(kDeleted) - 1 &&
         strcmp(name + size - (sizeof(kDeleted) - 1), kDeleted) == 0 &&
         !StartsWith(name, "/SYSV");
}

// False, with errno.
bool MakePrivate(const Mapping& mapping) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as /proc/self/maps has it
  void* const start = reinterpret_cast<void*>(mapping.start);
  const size_t size = mapping.end - mapping.start;
  // Of a file that was opened for reading.
  if ((mapping.protection & PROT_WRITE) == 0 &&
      mprotect(start, size, mapping.protection | PROT_WRITE) != 0) {
    return true;
  }
  const int file = OpenThroughView(mapping);
  if (file < 0) return false;
  const bool replaced =
      mmap(start, size, mapping.protection, MAP_PRIVATE | MAP_FIXED, file,
           mapping.offset) != MAP_FAILED;
  const int error = errno;
  close(file);
  errno = error;
  return replaced;
}

}  // namespace

void MakeMappingsPrivate(Setup& setup) {
  constexpr Step kStep = Step::kMakeMappingsPrivate;
  const ChildPlan& plan = setup.plan();
  if (!plan.private_mappings) return;
  const int maps =
      setup.Check(open("/proc/self/maps", O_RDONLY | O_CLOEXEC), kStep);
  Mappings mappings(maps);
  Mapping mapping;
  while (mappings.Next(&mapping)) {
    if (IsNameless(mapping.name) || IsNamed(plan, mapping.name)) continue;
    if (!MakePrivate(mapping)) setup.Fail(kStep, -1, errno, mapping.name);
  }
  if (mappings.error() != 0) setup.Fail(kStep, -1, mappings.error());
  close(maps);
  setup.Done(kStep);
}

}  // namespace encapsulate
