// SPDX-License-Identifier: Apache-2.0
//
// What files a command made, to compare two runs (--vary-compare). Names,
// kinds, modes, symbolic links and contents count; times and owners don't.
#ifndef TOOL_VARY_COMPARED_FILES_H_
#define TOOL_VARY_COMPARED_FILES_H_

#include <map>
#include <string>

namespace encapsulate::tool {

struct FileState {
  std::string kind;  // "absent", "directory", ...
  unsigned mode = 0;
  std::string text;   // of a file of up to a megabyte; a link's target
  uint64_t hash = 0;  // of what is in a file
  uint64_t size = 0;
};
bool operator==(const FileState& one, const FileState& other);

using FileStates = std::map<std::string, FileState>;

// `path` and all below it. Symbolic links aren't followed.
void AddFileStates(const std::string& path, FileStates* files);

// What the command made at `path`, which may be anything: the first 64 MB of a
// regular file; empty if it isn't one, or can't be read.
std::string ReadForeignFile(const std::string& path);

// "is a directory as it is, and absent here"; of text, the first line that
// differs.
std::string FileDifference(const FileState& before, const FileState& after);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_COMPARED_FILES_H_
