// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

namespace encapsulate {
namespace {

int OpenDirectory(int directory, const char* name) {
  return openat(directory, name,
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int Unlink(int directory, const char* name, int flags) {
  return static_cast<int>(syscall(SYS_unlinkat, directory, name, flags));
}

bool IsDots(const char* name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

// Whoever made it may have taken the right to remove what is in it.
int OpenForRemoval(int directory, const char* name) {
  struct stat info;
  if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISDIR(info.st_mode) && (info.st_mode & S_IRWXU) != S_IRWXU) {
    // A link in its place by now would be followed, so it is opened first.
    const int path =
        openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (path < 0) return -1;
    // fchmodat(2) takes no descriptor that was opened with O_PATH.
    char text[40] = "/proc/self/fd/";
    size_t length = strlen(text);
    char digits[12];
    size_t count = 0;
    for (int rest = path; rest > 0; rest /= 10) {
      digits[count++] = static_cast<char>('0' + rest % 10);
    }
    while (count > 0) text[length++] = digits[--count];
    text[length] = '\0';
    static_cast<void>(chmod(text, S_IRWXU));
    close(path);
  }
  return OpenDirectory(directory, name);
}

// Removes the entries of a directory that can be removed, and moves those that
// are directories with something in them up into `top`, so that no level is
// below another one for long. Returns how many entries are left there; -1 on an
// error.
int Flatten(int top, int directory, uint64_t* number) {
  alignas(dirent64) char buffer[8192];
  int left = 0;
  ssize_t size;
  while ((size = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) >
         0) {
    for (ssize_t offset = 0; offset < size;) {
      const auto* entry = reinterpret_cast<dirent64*>(buffer + offset);
      offset += entry->d_reclen;
      if (IsDots(entry->d_name)) continue;
      if (Unlink(directory, entry->d_name, 0) == 0) continue;
      if (Unlink(directory, entry->d_name, AT_REMOVEDIR) == 0) continue;
      if (directory == top) {
        ++left;
        continue;
      }
      // To be moved, it has to be writable itself: its `..` changes.
      const int inner = OpenForRemoval(directory, entry->d_name);
      if (inner >= 0) close(inner);
      // If something has that name, the next round takes another one.
      char name[24] = "encapsulate-";
      uint64_t rest = (*number)++;
      for (size_t i = 12; i < 23; ++i, rest /= 10) {
        name[i] = static_cast<char>('0' + rest % 10);
      }
      if (syscall(SYS_renameat2, directory, entry->d_name, top, name,
                  1 /* RENAME_NOREPLACE */) != 0) {
        ++left;
      }
    }
  }
  return size < 0 ? -1 : left;
}

// True if the directory is empty afterwards.
bool Empty(int top) {
  // Each round takes one level off every tree that is in it.
  constexpr int kMostRounds = 1 << 16;
  uint64_t number = 0;
  for (int round = 0; round < kMostRounds; ++round) {
    if (lseek(top, 0, SEEK_SET) < 0) return false;
    const int left = Flatten(top, top, &number);
    if (left <= 0) return left == 0;
    if (lseek(top, 0, SEEK_SET) < 0) return false;
    alignas(dirent64) char buffer[8192];
    bool entered = false;
    const ssize_t size = syscall(SYS_getdents64, top, buffer, sizeof(buffer));
    for (ssize_t offset = 0; offset < size;) {
      const auto* entry = reinterpret_cast<dirent64*>(buffer + offset);
      offset += entry->d_reclen;
      if (IsDots(entry->d_name)) continue;
      const int inner = OpenForRemoval(top, entry->d_name);
      if (inner < 0) continue;
      const int rest = Flatten(top, inner, &number);
      close(inner);
      entered |= rest == 0;
    }
    if (!entered) return false;
  }
  return false;
}

bool IsSocket(const char* path) {
  struct stat info;
  return lstat(path, &info) == 0 && S_ISSOCK(info.st_mode);
}

int RemoveQueue(const char* name) {
  return static_cast<int>(syscall(SYS_mq_unlink, name));
}

}  // namespace

bool RemoveTree(int directory, const char* name) {
  if (Unlink(directory, name, 0) == 0 || errno == ENOENT) return true;
  const int top = OpenForRemoval(directory, name);
  if (top < 0) return false;
  Empty(top);
  close(top);
  return Unlink(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

void RemoveAllOf(int ledger) {
  if (lseek(ledger, 0, SEEK_SET) < 0) return;
  LedgerRecord record;
  char path[PATH_MAX];
  while (read(ledger, &record, sizeof(record)) == sizeof(record)) {
    if (record.size >= sizeof(path) ||
        read(ledger, path, record.size) != static_cast<ssize_t>(record.size)) {
      return;
    }
    path[record.size] = '\0';
    FileIdentity mark;
    switch (record.kind) {
      case LedgerRecord::Kind::kFile:
        // Of a socket only the name was known before it was bound.
        if (record.mark == FileIdentity() && IsSocket(path)) {
          Unlink(AT_FDCWD, path, 0);
        } else if (ReadIdentity(AT_FDCWD, path, &mark) && mark == record.mark) {
          RemoveTree(AT_FDCWD, path);
        }
        break;
      case LedgerRecord::Kind::kMemory:
        syscall(SYS_shmctl, record.number, IPC_RMID, nullptr);
        break;
      case LedgerRecord::Kind::kSemaphores:
        syscall(SYS_semctl, record.number, 0, IPC_RMID, nullptr);
        break;
      case LedgerRecord::Kind::kMessages:
        syscall(SYS_msgctl, record.number, IPC_RMID, nullptr);
        break;
      case LedgerRecord::Kind::kQueue:
        RemoveQueue(path);
        break;
    }
  }
}

}  // namespace encapsulate
