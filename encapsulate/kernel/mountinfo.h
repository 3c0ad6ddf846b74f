// SPDX-License-Identifier: Apache-2.0
//
// Reads /proc/PID/mountinfo (proc_pid_mountinfo(5)) without the heap, so that
// a freshly cloned child may use it.
//
//   static MountInfoReader reader;  // holds a 64 KiB buffer
//   reader.Start(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
//   MountInfo mount;
//   while (reader.Next(&mount)) ...
//   if (reader.error() != 0) ...
//
// Fields point into the reader's buffer until the next call of Next(). Octal
// escapes (\040 for a space) are undone in `point` and `root`.
#ifndef ENCAPSULATE_KERNEL_MOUNTINFO_H_
#define ENCAPSULATE_KERNEL_MOUNTINFO_H_

#include <sys/types.h>

#include <cstddef>

namespace encapsulate {

struct MountInfo {
  int id;
  int parent;
  dev_t device;
  const char* root;           // of this mount inside its filesystem
  const char* point;          // where it is mounted
  const char* options;        // of the mount: "ro,nosuid,relatime"
  const char* type;           // of the filesystem: "ext4"
  const char* super_options;  // of the filesystem: "rw,memory"

  // Whether `options` holds the word `name`.
  bool Has(const char* name) const;
};

// Whether the comma-separated `list` holds the word `name`.
bool HasWord(const char* list, const char* name);

class MountInfoReader {
 public:
  // A default one would be zeroed by std::make_unique(), and its pages made.
  MountInfoReader() {}  // NOLINT(modernize-use-equals-default)

  // Starts to read at the beginning of the open file `fd`, which stays the
  // caller's.
  void Start(int fd);

  // False at the end or on an error: EPROTO for a line that can't be
  // understood, E2BIG for one longer than the buffer, or read(2)'s.
  bool Next(MountInfo* mount);

  int error() const { return error_; }

 private:
  // Makes the next line whole and terminated; null at the end.
  char* NextLine();

  int fd_ = -1;
  int error_ = 0;
  bool at_end_ = false;
  size_t begin_ = 0;
  size_t end_ = 0;
  char buffer_[65536];
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_MOUNTINFO_H_
