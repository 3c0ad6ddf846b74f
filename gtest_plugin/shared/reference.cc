// SPDX-License-Identifier: Apache-2.0
//
// Writes the site's page of the plugin's options, from the table of flags:
//
//   reference > FILE
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gtest_plugin/shared/flags.h"

namespace encapsulate {
namespace {

// In a cell of a table.
std::string Code(absl::string_view text) {
  if (text.empty()) return "";
  return absl::StrCat("`", absl::StrReplaceAll(text, {{"|", "\\|"}}), "`");
}

std::string Page() {
  std::string page =
      "# Options of the GoogleTest plugin\n\n"
      "The command line wins over the environment, and both win over what the "
      "program and its fixtures say. [The manual](gtest_plugin.md) says more "
      "of each.\n\n"
      "| flag | meaning |\n"
      "|---|---|\n";
  for (const Flag& flag : AllFlags()) {
    absl::StrAppend(
        &page, "| ", Code(FlagName(flag)), " | ", Code(flag.value), ": ",
        absl::StrReplaceAll(flag.help, {{"|", "\\|"}, {"_", "\\_"}}),
        " Variable: ", Code(VariableName(flag)), ".",
        flag.option.empty()
            ? ""
            : absl::StrCat(" In code: ",
                           Code(absl::StrCat("TestOptions::", flag.option)),
                           "."),
        flag.attribute.empty()
            ? ""
            : absl::StrCat(" Attribute of `encapsulated_cc_test`: ",
                           Code(flag.attribute), "."),
        " |\n");
  }
  return page;
}

}  // namespace
}  // namespace encapsulate

int main() {
  const std::string page = encapsulate::Page();
  return fwrite(page.data(), 1, page.size(), stdout) == page.size() &&
                 fflush(stdout) == 0
             ? 0
             : 1;
}
