// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/executable_move.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <cstddef>

#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

using Mapping = ExecutableMove::Mapping;

constexpr char kExecutable[] = "/proc/self/exe";

// /proc/PID/pagemap, see the kernel's Documentation/admin-guide/mm/pagemap.rst.
constexpr uint64_t kOfFileOrShared = uint64_t{1} << 61;
constexpr int kPresentOrSwapped = 62;

SHARES_CALLER_MEMORY long Address(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}

// System calls return errors as -errno, addresses as they are.
SHARES_CALLER_MEMORY bool IsError(long result) {
  return result < 0 && result > -4096;
}

SHARES_CALLER_MEMORY bool Fail(ExecutableMove* move, MoveStep step,
                               long error) {
  move->step = step;
  move->error = static_cast<int>(-error);
  return false;
}

// Whether /proc/PID/maps shows `path` as `shown`: with "\012" for a line feed.
SHARES_CALLER_MEMORY bool IsShownAs(const char* path, const char* shown) {
  for (; *path != '\0'; ++path) {
    if (*path == '\n' && shown[0] == '\\' && shown[1] == '0' &&
        shown[2] == '1' && shown[3] == '2') {
      shown += 4;
    } else if (*path == *shown) {
      ++shown;
    } else {
      return false;
    }
  }
  return *shown == '\0';
}

// --- Reading ----------------------------------------------------------------

// The fields that PR_SET_MM_MAP wants to be told again (proc_pid_stat(5)).
SHARES_CALLER_MEMORY long ReadFields(ExecutableMove* move) {
  const long fd = RawSyscall(SYS_openat, AT_FDCWD, Address("/proc/self/stat"),
                             O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  const long size = RawSyscall(SYS_read, fd, Address(move->text), 4095);
  RawSyscall(SYS_close, fd, 0, 0);
  if (size <= 0) return size < 0 ? size : -EIO;
  move->text[size] = '\0';
  const char* at = move->text + size;
  while (at > move->text && *at != ')') --at;  // the name may have any of them
  constexpr int kFields = 52;
  uintptr_t field[kFields] = {};
  at += at[0] == ')' && at[1] == ' ' ? 2 : 0;
  for (int i = 3; i < kFields && *at != '\0'; ++i) {
    if (*at == '-') ++at;
    field[i] = ReadNumber(&at, 10);
    while (*at != '\0' && *at != ' ') ++at;
    if (*at == ' ') ++at;
  }
  if (field[51] == 0) return -EIO;
  move->threads = static_cast<int>(field[20]);
  prctl_mm_map* const map = &move->fields;
  map->start_code = field[26];
  map->end_code = field[27];
  map->start_stack = field[28];
  map->start_data = field[45];
  map->end_data = field[46];
  map->start_brk = field[47];
  map->arg_start = field[48];
  map->arg_end = field[49];
  map->env_start = field[50];
  map->env_end = field[51];
  map->auxv = nullptr;
  map->auxv_size = 0;
  return 0;
}

// A line of /proc/PID/maps (proc_pid_maps(5)). False if there are too many.
SHARES_CALLER_MEMORY bool TakeLine(ExecutableMove* move, const char* at) {
  Mapping mapping;
  mapping.start = ReadNumber(&at, 16);
  ++at;
  mapping.end = ReadNumber(&at, 16);
  mapping.protection = (at[1] == 'r' ? PROT_READ : 0) |
                       (at[2] == 'w' ? PROT_WRITE : 0) |
                       (at[3] == 'x' ? PROT_EXEC : 0);
  mapping.shared = at[4] == 's';
  at += 6;
  mapping.offset = ReadNumber(&at, 16);
  while (*at != '\0' && *at != '/') ++at;
  if (!IsShownAs(move->path, at)) return true;
  if (move->count == ExecutableMove::kMostMappings) return false;
  move->mappings[move->count++] = mapping;
  return true;
}

SHARES_CALLER_MEMORY long ReadMappings(ExecutableMove* move) {
  const long fd = RawSyscall(SYS_openat, AT_FDCWD, Address("/proc/self/maps"),
                             O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  long result = 0;
  size_t held = 0;
  for (;;) {
    const long size =
        RawSyscall(SYS_read, fd, Address(move->text + held),
                   static_cast<long>(sizeof(move->text) - 1 - held));
    if (size <= 0) {
      result = size;
      break;
    }
    held += static_cast<size_t>(size);
    size_t line = 0;
    for (size_t i = 0; i < held && result == 0; ++i) {
      if (move->text[i] != '\n') continue;
      move->text[i] = '\0';
      if (!TakeLine(move, move->text + line)) result = -E2BIG;
      line = i + 1;
    }
    // A line that is longer than a path can be isn't the kernel's.
    if (line == 0) result = -EIO;
    if (result != 0) break;
    held -= line;
    for (size_t i = 0; i < held; ++i) move->text[i] = move->text[line + i];
  }
  RawSyscall(SYS_close, fd, 0, 0);
  if (result == 0 && move->count == 0) result = -ENOENT;
  return result;
}

// --- Moving -----------------------------------------------------------------

// Not memcpy(3), which a sanitizer may have replaced.
SHARES_CALLER_MEMORY void CopyWords(uintptr_t to, uintptr_t from, size_t size) {
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    // NOLINTBEGIN(performance-no-int-to-ptr): as /proc/self/maps has them
    *reinterpret_cast<volatile uint64_t*>(to + i) =
        *reinterpret_cast<volatile uint64_t*>(from + i);
    // NOLINTEND(performance-no-int-to-ptr)
  }
}

// Copies the pages that are the process's own any more, not the file's, to
// `to`. With 0 it only says whether there are any.
SHARES_CALLER_MEMORY long CopyOwnPages(const ExecutableMove* move,
                                       const Mapping& mapping, uintptr_t to) {
  constexpr size_t kMost = 256;
  uint64_t entries[kMost];
  const uintptr_t page = move->page_size;
  long found = 0;
  for (uintptr_t at = mapping.start; at < mapping.end;) {
    size_t count = (mapping.end - at) / page;
    if (count > kMost) count = kMost;
    const long size = static_cast<long>(count * sizeof(uint64_t));
    const long read =
        RawSyscall(SYS_pread64, move->pagemap, Address(entries), size,
                   static_cast<long>(at / page * sizeof(uint64_t)));
    if (read != size) return read < 0 ? read : -EIO;
    for (size_t i = 0; i < count; ++i) {
      // The kernel has filled them in.
      // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
      if (entries[i] >> kPresentOrSwapped == 0 ||
          (entries[i] & kOfFileOrShared) != 0) {
        continue;
      }
      if (to == 0) return 1;
      const uintptr_t own = at + i * page;
      CopyWords(to + (own - mapping.start), own, page);
      ++found;
    }
    at += count * page;
  }
  return found;
}

// Replaces one mapping, at once.
SHARES_CALLER_MEMORY long MoveMapping(const ExecutableMove* move,
                                      const Mapping& mapping, int file) {
  const long size = static_cast<long>(mapping.end - mapping.start);
  const long start = static_cast<long>(mapping.start);
  const long offset = static_cast<long>(mapping.offset);
  const long own = mapping.shared ? 0 : CopyOwnPages(move, mapping, 0);
  if (own < 0) return own;
  if (own == 0) {
    const int type = mapping.shared ? MAP_SHARED : MAP_PRIVATE;
    const long result = RawSyscall(SYS_mmap, start, size, mapping.protection,
                                   type | MAP_FIXED, file, offset);
    return IsError(result) ? result : 0;
  }
  constexpr int kBoth = PROT_READ | PROT_WRITE;
  const long fresh =
      RawSyscall(SYS_mmap, 0, size, kBoth, MAP_PRIVATE, file, offset);
  if (IsError(fresh)) return fresh;
  // A guard page in the program's data can't be read as it is.
  const bool is_readable = (mapping.protection & PROT_READ) != 0;
  long result = 0;
  if (!is_readable) result = RawSyscall(SYS_mprotect, start, size, PROT_READ);
  if (result == 0) {
    result = CopyOwnPages(move, mapping, static_cast<uintptr_t>(fresh));
  }
  if (result >= 0 && mapping.protection != kBoth) {
    result = RawSyscall(SYS_mprotect, fresh, size, mapping.protection);
  }
  if (result >= 0) {
    result = RawSyscall(SYS_mremap, fresh, size, size,
                        MREMAP_MAYMOVE | MREMAP_FIXED, start);
  }
  if (!IsError(result)) return 0;
  if (!is_readable) RawSyscall(SYS_mprotect, start, size, mapping.protection);
  RawSyscall(SYS_munmap, fresh, size, 0);
  return result;
}

SHARES_CALLER_MEMORY long SetFields(const prctl_mm_map* fields) {
  return RawSyscall(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, Address(fields),
                    sizeof(*fields), 0);
}

SHARES_CALLER_MEMORY long SetExecutable(ExecutableMove* move, int file) {
  prctl_mm_map* const map = &move->fields;
  map->brk = static_cast<uint64_t>(RawSyscall(SYS_brk, 0, 0, 0));
  map->exe_fd = static_cast<uint32_t>(file);
  long result = SetFields(map);
  if (result == -EINVAL && map->start_brk <= map->end_data) {
    // Before Linux 5.15 data had to lie below the heap, which isn't so in a
    // static PIE. Nothing but RLIMIT_DATA looks at the numbers.
    map->start_data = map->end_data = map->start_brk - 1;
    result = SetFields(map);
  }
  return result;
}

}  // namespace

bool ReadExecutable(ExecutableMove* move) {
  move->pagemap = -1;
  move->page_size = getauxval(AT_PAGESZ);
  // Takes no capability, so it tells at once where the other never works.
  unsigned fields_size = 0;
  long result = RawSyscall(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE,
                           Address(&fields_size), 0, 0);
  if (result < 0) return Fail(move, MoveStep::kReplace, result);
  const long size =
      RawSyscall(SYS_readlinkat, AT_FDCWD, Address("/proc/self/exe"),
                 Address(move->path), sizeof(move->path) - 1);
  if (size <= 0) return Fail(move, MoveStep::kRead, size < 0 ? size : -EIO);
  move->path[size] = '\0';
  struct stat info = {};
  result = RawSyscall(SYS_newfstatat, AT_FDCWD, Address("/proc/self/exe"),
                      Address(&info), 0);
  if (result < 0) return Fail(move, MoveStep::kRead, result);
  move->device = info.st_dev;
  move->inode = info.st_ino;
  result = ReadFields(move);
  if (result < 0) return Fail(move, MoveStep::kRead, result);
  result = ReadMappings(move);
  if (result < 0) return Fail(move, MoveStep::kRead, result);
  result = RawSyscall(SYS_openat, AT_FDCWD, Address("/proc/self/pagemap"),
                      O_RDONLY | O_CLOEXEC);
  if (result < 0) return Fail(move, MoveStep::kRead, result);
  move->pagemap = static_cast<int>(result);
  return true;
}

bool MoveExecutable(ExecutableMove* move, int file) {
  struct stat info = {};
  struct statfs mount = {};
  long result = RawSyscall(SYS_fstat, file, Address(&info), 0);
  if (result == 0 &&
      (info.st_dev != move->device || info.st_ino != move->inode)) {
    result = -ESTALE;
  }
  if (result == 0) result = RawSyscall(SYS_fstatfs, file, Address(&mount), 0);
  MoveStep step = MoveStep::kOpen;
  if (result == 0 && (mount.f_flags & ST_RDONLY) == 0) {
    step = MoveStep::kVerify;
    result = -EROFS;
  }
  for (int i = 0; i < move->count && result == 0; ++i) {
    step = MoveStep::kMap;
    result = MoveMapping(move, move->mappings[i], file);
  }
  if (result == 0) {
    step = MoveStep::kReplace;
    result = SetExecutable(move, file);
  }
  RawSyscall(SYS_close, move->pagemap, 0, 0);
  move->pagemap = -1;
  return result == 0 || Fail(move, step, result);
}

void OpenExecutable(Setup& setup) {
  const ChildPlan& plan = setup.plan();
  if (plan.executable.empty()) return;
  // A failure is for the child to tell.
  setup.notes().executable_file =
      open(plan.executable.c_str(), O_RDONLY | O_CLOEXEC);
}

bool MoveToView(int file, MoveFailure* failure) {
  auto* const move = MapFresh<ExecutableMove>();
  if (move == nullptr) {
    *failure = {MoveStep::kRead, errno};
    return false;
  }
  bool moved = ReadExecutable(move);
  if (moved) moved = MoveExecutable(move, file);
  *failure = {move->step, move->error};
  munmap(move, sizeof(*move));
  struct statfs mount = {};
  if (moved &&
      (statfs(kExecutable, &mount) != 0 || (mount.f_flags & ST_RDONLY) == 0)) {
    *failure = {MoveStep::kVerify, EROFS};
    moved = false;
  }
  return moved;
}

}  // namespace encapsulate
