// SPDX-License-Identifier: Apache-2.0
//
// The entries of a directory, by getdents64(2) itself: memory of the caller's
// and plain calls, for a child between clone(2) and execve(2), a signal
// handler, and where the allocation and the two calls of opendir(3) are too
// much.
//
//   DirectoryReader<4096> reader;
//   reader.Start(directory);
//   while (const dirent64* entry = reader.Next()) Use(entry->d_name);
//   if (reader.error() != 0) ...
//
// "." and ".." are among them. An entry is good until the next call.
#ifndef ENCAPSULATE_KERNEL_DIRECTORY_READER_H_
#define ENCAPSULATE_KERNEL_DIRECTORY_READER_H_

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace encapsulate {

// Asks for `kBytes` at a time. 280 hold the longest name.
template <size_t kBytes = 8192>
class DirectoryReader {
 public:
  // Goes on where the descriptor's offset is.
  void Start(int directory) {
    directory_ = directory;
    at_ = size_ = 0;
    error_ = 0;
  }

  // Null at the end, and where the directory can't be read.
  const dirent64* Next() {
    if (at_ == size_) {
      at_ = 0;
      size_ = syscall(SYS_getdents64, directory_, buffer_, sizeof(buffer_));
      if (size_ <= 0) {
        error_ = size_ < 0 ? errno : 0;
        size_ = 0;
        return nullptr;
      }
    }
    const auto* const entry = reinterpret_cast<const dirent64*>(buffer_ + at_);
    at_ += entry->d_reclen;
    return entry;
  }

  // The errno that Next() ended with; 0 for the end.
  int error() const { return error_; }

 private:
  int directory_ = -1;
  ssize_t at_ = 0;
  ssize_t size_ = 0;
  int error_ = 0;
  alignas(dirent64) char buffer_[kBytes];
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_DIRECTORY_READER_H_
