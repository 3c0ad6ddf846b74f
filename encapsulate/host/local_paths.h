// SPDX-License-Identifier: Apache-2.0
//
// realpath(3) that waits for nobody: it goes by the mount table, and stops
// where a path leaves what the kernel answers by itself.
#ifndef ENCAPSULATE_HOST_LOCAL_PATHS_H_
#define ENCAPSULATE_HOST_LOCAL_PATHS_H_

#include <map>
#include <string>

#include "encapsulate/host/mount_table.h"

namespace encapsulate {

class LocalPaths {
 public:
  struct Directory {
    enum class State {
      kLocal,
      kSlow,     // somebody has to be asked; `real` is as far as is known
      kMissing,  // or behind an automounter's trigger
    };
    State state = State::kMissing;
    std::string real;
    std::string slow_point;  // the mount that somebody has to be asked about
  };

  explicit LocalPaths(const MountTable& table) : table_(table) {}

  // Where the absolute path `text` leads. A directory is looked at once.
  const Directory& Find(const std::string& text);

 private:
  Directory Resolve(const std::string& text);

  const MountTable& table_;
  int links_ = 0;  // being followed
  std::map<std::string, Directory> known_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_LOCAL_PATHS_H_
