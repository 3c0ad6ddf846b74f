// SPDX-License-Identifier: Apache-2.0
//
// Looks at paths for which somebody has to be asked who may never answer: a
// file server, a FUSE daemon, an automounter. A process that shares the
// caller's memory does it; it is killed when its time is up, and left to itself
// if the kernel won't let go of it even then.
#ifndef ENCAPSULATE_HOST_PATIENT_LOOKUP_H_
#define ENCAPSULATE_HOST_PATIENT_LOOKUP_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace encapsulate {

struct LookedUp {
  std::string path;
  // Whether anybody answered, be it that nothing is there.
  bool answered = false;
  mode_t mode = 0;   // 0 if nothing is there
  std::string real;  // `path` without symbolic links
};

// Looks at `paths`, all of which lead through the mount at `point`, for at most
// two seconds together. A mount that didn't answer isn't asked again for a
// minute. False, with errno, if no process could be made.
bool LookUpPatiently(const std::string& point,
                     const std::vector<std::string>& paths,
                     std::vector<LookedUp>* found);

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_PATIENT_LOOKUP_H_
