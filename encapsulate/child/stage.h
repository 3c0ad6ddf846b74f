// SPDX-License-Identifier: Apache-2.0
//
// What the parts that build the view and read it back share: the hidden tmpfs
// that is the current directory meanwhile, see mounts.cc.
#ifndef ENCAPSULATE_CHILD_STAGE_H_
#define ENCAPSULATE_CHILD_STAGE_H_

#include <sys/mount.h>

#include <cstring>

#include "encapsulate/child/setup.h"

namespace encapsulate {

// In the stage: a read-only mount of its own, with these in it.
inline constexpr char kSealed[] = "sealed";
inline constexpr char kEmptyFile[] = "sealed/file";
inline constexpr char kEmptyDirectory[] = "sealed/directory";
inline constexpr char kGenerated[] = "sealed/generated";

inline int Bind(const char* source, const char* target) {
  return mount(source, target, nullptr, MS_BIND, nullptr);
}

// Shows an empty, read-only file or directory at `path`.
inline int Cover(const char* path, bool directory) {
  return Bind(directory ? kEmptyDirectory : kEmptyFile, path);
}

inline bool IsBelow(const char* path, const char* tree) {
  const size_t length = strlen(tree);
  if (length == 1) return true;  // "/"
  return strncmp(path, tree, length) == 0 &&
         (path[length] == '\0' || path[length] == '/');
}

// mounts_verify.cc: reads the mount table back, covers what shows the host's
// kernel, and fails on anything that is writable, or may hold devices, and
// shouldn't.
void VerifyView(Setup& setup, int mount_table);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_STAGE_H_
