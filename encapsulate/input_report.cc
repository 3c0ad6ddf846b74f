// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/input_report.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/json.h"
#include "encapsulate/base/paths.h"

namespace encapsulate {
namespace {

std::string NameIn(const std::string& directory, const std::string& path) {
  if (directory.empty() || directory == "/" || !IsWithin(path, directory)) {
    return path;
  }
  return path == directory ? "." : path.substr(directory.size() + 1);
}

// In the order of what is shown.
std::string JsonOf(const std::vector<std::string>& paths,
                   const std::string& directory) {
  std::vector<std::string> names;
  names.reserve(paths.size());
  for (const std::string& path : paths) {
    names.push_back(NameIn(directory, path));
  }
  std::sort(names.begin(), names.end());
  return absl::StrCat(
      "[",
      absl::StrJoin(names, ",",
                    [](std::string* out, const std::string& name) {
                      absl::StrAppend(out, JsonString(name));
                    }),
      "]");
}

}  // namespace

std::string WriteInputs(absl::string_view test, const InputRecord& inputs) {
  std::string line =
      absl::StrCat("{\"type\":\"inputs\",\"test\":",
                   test.empty() ? "null" : JsonString(test),
                   ",\"directory\":", JsonString(inputs.directory));
  const struct {
    const char* name;
    const std::vector<std::string>& paths;
  } lists[] = {{"read", inputs.read},
               {"absent", inputs.absent},
               {"listed", inputs.listed},
               {"links", inputs.links},
               {"executed", inputs.executed}};
  for (const auto& list : lists) {
    absl::StrAppend(&line, ",\"", list.name,
                    "\":", JsonOf(list.paths, inputs.directory));
  }
  absl::StrAppend(&line, ",\"beyond\":", inputs.beyond,
                  ",\"unseen\":", inputs.unseen, ",\"watched_outside\":",
                  inputs.watched_outside ? "true" : "false", "}\n");
  return line;
}

}  // namespace encapsulate
