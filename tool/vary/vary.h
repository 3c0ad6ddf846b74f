// SPDX-License-Identifier: Apache-2.0
//
// --vary and --world.
#ifndef TOOL_VARY_VARY_H_
#define TOOL_VARY_VARY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "encapsulate/options.h"
#include "tool/vary/variations.h"

namespace encapsulate::tool {

// Runs the command as it is and where variations hold, and says on standard
// output which of them change what it does. Returns the tool's exit code:
// kExitVaries if there is one, else the command's own. `arguments` are the
// tool's, for the command lines that show a finding again.
absl::StatusOr<int> RunVaried(const std::vector<std::string>& arguments,
                              const Options& options,
                              const std::vector<std::string>& command);

// The variations of --world=`list`. InvalidArgument for what can't hold in one
// run, or not here.
absl::StatusOr<Variations> ChooseForWorld(const std::string& list);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_VARY_H_
