// SPDX-License-Identifier: Apache-2.0
//
// The caller's mount table, by which paths are judged as text: asking the
// kernel about a path may wait for a file server.
#ifndef ENCAPSULATE_HOST_MOUNT_TABLE_H_
#define ENCAPSULATE_HOST_MOUNT_TABLE_H_

#include <sys/types.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace encapsulate {

// Another path of the same directory or file.
struct Alias {
  std::string path;
  int mount_id;
};

class MountTable {
 public:
  // Of this process, as it is now.
  static absl::StatusOr<MountTable> Read();

  // What a mount point at exactly that path means for those who look at it.
  enum class Point {
    kNone,       // no mount is there
    kLocal,      // the kernel answers by itself
    kNoSockets,  // so it does, and no service keeps sockets or FIFOs there
    kSlow,       // a server, a daemon or an automounter may have to be asked
    kAutomount,  // an automounter's trigger, with nothing mounted on it
  };
  Point At(const std::string& path) const;

  // The other paths by which the mounts show what is at `path`, which has no
  // symbolic links. A path may be hidden by a mount over it.
  std::vector<Alias> AliasesOf(const std::string& path) const;
  // The same of what is below it, where a mount shows a part alone.
  std::vector<Alias> AliasesOfParts(const std::string& path) const;

  // The mount points below `tree` that hold a filesystem in memory.
  std::vector<std::string> MemoryMountsBelow(absl::string_view tree) const;

 private:
  struct Mount {
    int id;
    dev_t device;
    std::string root;
    std::string point;
    bool in_memory;
  };
  struct Place {
    Point kind = Point::kNone;
    size_t last = 0;  // the mount on top
  };

  enum class Part : bool { kNo, kYes };
  std::vector<Alias> FindAliases(const std::string& path, Part part) const;

  std::vector<Mount> mounts_;
  std::unordered_map<std::string, Place> places_;  // by mount point
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_MOUNT_TABLE_H_
