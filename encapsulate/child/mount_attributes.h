// SPDX-License-Identifier: Apache-2.0
//
// Changes what may be done through mounts, whatever the kernel can do at once.
#ifndef ENCAPSULATE_CHILD_MOUNT_ATTRIBUTES_H_
#define ENCAPSULATE_CHILD_MOUNT_ATTRIBUTES_H_

#include <cstdint>

namespace encapsulate {

// Sets and clears attributes (sys::kMountAttr...) of the mount at `path`, and
// of those below it if `recursive`. Works out at run time whether the kernel
// can do it in one call; else it reads the mount table.
class MountAttributes {
 public:
  explicit MountAttributes(int mount_table) : mount_table_(mount_table) {}

  // 0, or -1 with errno.
  int Change(const char* path, uint64_t set, uint64_t clear, bool recursive);

 private:
  int RemountTree(const char* path, uint64_t set, uint64_t clear) const;

  const int mount_table_;
  bool missing_ = false;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_MOUNT_ATTRIBUTES_H_
