// SPDX-License-Identifier: Apache-2.0
//
// What others chose, names of programs and files above all, moves no cursor and
// forges no line, wherever the tool tells of it.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tool.h"

namespace encapsulate::tool {
namespace {

using ::testing::HasSubstr;

// A clear screen, a forged line, CSI as one character, and an override of the
// direction.
constexpr char kName[] =
    "e\033[2J\nencapsulate: forged\xc2\x9b"
    "1m\xe2\x80\xae";
constexpr char kShown[] = "e\\033[2J\\nencapsulate: forged\\u009b1m\\u202e";

void ExpectHarmless(const std::string& text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_FALSE(absl::StartsWith(line, "encapsulate: forged")) << text;
    for (char c : line) {
      const auto byte = static_cast<unsigned char>(c);
      EXPECT_TRUE(byte >= 0x20 && byte != 0x7f) << int{byte};
    }
  }
  for (const char* character : {"\xc2\x9b", "\xe2\x80\xae"}) {
    EXPECT_FALSE(absl::StrContains(text, character));
  }
}

class ForeignTextTest : public testing::Test {
 protected:
  // A copy of a program, with that name.
  static std::string Copy(const std::string& program,
                          const std::string& directory) {
    const std::string path = directory + "/" + kName;
    EXPECT_EQ(
        RunProgram({"/bin/sh", "-c", "mkdir -p \"$1\" && cp \"$2\" \"$3\"",
                    "sh", directory, program, path})
            .errors,
        "");
    return path;
  }
};

TEST_F(ForeignTextTest, IsEscapedInTheSummaryAndTheReport) {
  const std::string maker = Copy("/usr/bin/mkdir", ScratchPath() + "/a");
  const std::string sleeper = Copy("/usr/bin/sleep", ScratchPath() + "/b");
  const std::string report = ScratchPath() + "/report.json";
  const Finished finished = RunTool(
      {"--verbose", "--violations=report", "--report=" + report, ScratchPath(),
       "/bin/sh", "-c", "\"$1\" \"/etc/$2\" 2>/dev/null; \"$3\" 1000 & :", "sh",
       maker, kName, sleeper});
  EXPECT_EQ(finished.exit_code, 0);
  ExpectHarmless(finished.errors);
  EXPECT_THAT(finished.errors, HasSubstr("violations: 1, tried 1 time"));
  EXPECT_THAT(finished.errors,
              HasSubstr(ScratchPath() + "/a/" + kShown + ", write: "));
  EXPECT_THAT(finished.errors,
              HasSubstr(std::string("directory '/etc/") + kShown + "': "));
  EXPECT_THAT(finished.errors, HasSubstr("killed '"));
  // The flag that ignores it is one word of a shell.
  EXPECT_THAT(finished.errors,
              HasSubstr("--allow=$'write:/etc/e\\033[2J\\nencapsulate: "
                        "forged\\302\\2331m\\342\\200\\256'"));
  const Finished read =
      RunProgram({"/usr/bin/python3", "-c",
                  "import json,sys; text = open(sys.argv[1], 'rb').read(); "
                  "assert not any(b in text for b in (b'\\x1b', b'\\xc2\\x9b', "
                  "b'\\xe2\\x80\\xae')); "
                  "one = json.loads(text.split(b'\\n')[0]); "
                  "assert one['target'] == '/etc/' + sys.argv[2]; "
                  "assert one['program'].endswith('/' + sys.argv[2])",
                  report, kName});
  EXPECT_EQ(read.errors, "");
  EXPECT_EQ(read.exit_code, 0);
}

TEST_F(ForeignTextTest, IsEscapedInErrors) {
  const std::string path = ScratchPath() + "/missing/" + kName;
  const std::vector<std::vector<std::string>> commands = {
      {"", path},
      {"--writable=" + path, "", "/bin/true"},
      {"--chdir=" + path, "", "/bin/true"},
      {"--report=" + path, "--violations=report", "", "/bin/true"},
      {std::string("--") + kName},
      {std::string("--timeout=") + kName, "", "/bin/true"},
      {std::string("--allow=") + kName, "", "/bin/true"},
      {path, "/bin/true"},
  };
  for (const std::vector<std::string>& command : commands) {
    const Finished finished = RunTool(command);
    EXPECT_NE(finished.exit_code, 0) << command[0];
    EXPECT_THAT(finished.errors, HasSubstr("e\\033[2J\\nencapsulate: forged"));
    ExpectHarmless(finished.errors);
  }
}

TEST_F(ForeignTextTest, StaysReadable) {
  const std::string name = "gr\xc3\xbc\xc3\x9f 'x' \xe6\x97\xa5";
  const Finished finished =
      RunTool({"--violations=report", "", "/bin/sh", "-c",
               "mkdir \"/etc/$1\" 2>/dev/null; :", "sh", name});
  EXPECT_THAT(finished.errors,
              HasSubstr("'/etc/gr\xc3\xbc\xc3\x9f \\'x\\' \xe6\x97\xa5'"));
}

}  // namespace
}  // namespace encapsulate::tool
