// SPDX-License-Identifier: Apache-2.0
//
// What a command needs of directories that are fresh for it.
#ifndef TOOL_SHOWN_TREES_H_
#define TOOL_SHOWN_TREES_H_

#include <string>
#include <vector>

#include "encapsulate/options.h"

namespace encapsulate::tool {

// For Options::shown: the directories right in `fresh` that hold the working
// directory or the program of `command`, and the program itself where it lies
// right in `fresh`. Without what `options` shows there anyway. `fresh` are
// paths without symbolic links; programs are looked for as the environment of
// `options` says.
std::vector<std::string> TreesToShow(const std::vector<std::string>& fresh,
                                     const std::vector<std::string>& command,
                                     const Options& options);

}  // namespace encapsulate::tool

#endif  // TOOL_SHOWN_TREES_H_
