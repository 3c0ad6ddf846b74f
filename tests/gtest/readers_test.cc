// SPDX-License-Identifier: Apache-2.0
//
// What reads GoogleTest's output besides a file: a pipe, a terminal, a server.
// And a debugger, for which tests run in the program itself.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;

Invocation InvocationOf(const std::string& way, const std::string& filter) {
  Invocation invocation;
  invocation.program = "inner_" + way;
  invocation.arguments = {"--gtest_filter=" + filter};
  return invocation;
}

class ReadersTest : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Of, ReadersTest, testing::Values("every", "fixture"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

// stdio buffers lines for a terminal, and much more for a pipe; GoogleTest
// colours for a terminal.
TEST_P(ReadersTest, PipeAndTerminalShowWhatTheyWould) {
  for (Console console : {Console::kPipe, Console::kTerminal}) {
    std::string filter =
        "OutputTest.*:PhasesTest.*:ResultsTest.*:InnerDeathTest.*"
        "-*OfAForkedProcess:*Long*";
#if defined(__SANITIZE_THREAD__)
    // It starts a thread in every child, and GoogleTest warns of it.
    filter += ":InnerDeathTest.*";
#endif
    Invocation ordinary = InvocationOf("ordinary", filter);
    // A slow host may see progress, which is no part of the comparison.
    ordinary.environment = {"TERM=xterm", "ENCAPSULATE_PROGRESS=0"};
    ordinary.console = console;
    Invocation encapsulated = ordinary;
    encapsulated.program = InvocationOf(GetParam(), filter).program;
    const Output one = RunProgram(ordinary);
    const Output other = RunProgram(encapsulated);
    EXPECT_THAT(one.console, HasSubstr("OutputTest.IsOrdered"));
    EXPECT_EQ(Mask(one.console), Mask(other.console));
    EXPECT_EQ(one.status, other.status);
  }
}

// What a run sends to --gtest_stream_result_to.
std::string Streamed(const std::string& way) {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(listener.get(), generic, size), 0);
  EXPECT_EQ(listen(listener.get(), 1), 0);
  EXPECT_EQ(getsockname(listener.get(), generic, &size), 0);

  Invocation invocation = InvocationOf(way, "ManyTest.*:ResultsTest.*-*Long*");
  invocation.arguments.push_back(absl::StrCat(
      "--gtest_stream_result_to=127.0.0.1:", ntohs(address.sin_port)));
  // The kernel takes the connection, and a few kilobytes, before we do.
  RunProgram(invocation);
  const UniqueFd connection(
      accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  EXPECT_TRUE(connection.valid());
  std::string text;
  char buffer[4096];
  for (ssize_t got;
       (got = read(connection.get(), buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

TEST_P(ReadersTest, ServerIsToldOnceAndInOrder) {
  const std::string ordinary = Streamed("ordinary");
  EXPECT_THAT(ordinary, HasSubstr("event=TestEnd&passed=0"));
  EXPECT_EQ(Mask(ordinary), Mask(Streamed(GetParam())));
}

TEST_P(ReadersTest, DebuggerSeesTheTestsInTheProgram) {
  Invocation invocation = InvocationOf(GetParam(), "PhasesTest.Sees*");
  invocation.traced = true;
  // LeakSanitizer would be a second debugger, and there is none.
  invocation.environment = {"ASAN_OPTIONS=detect_leaks=0"};
  const Output output = RunProgram(invocation);
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: tests run in this process and are not "
                        "encapsulated: a debugger is attached\n"));
  // What the test changed reached TearDownTestSuite().
  EXPECT_THAT(output.calls, HasSubstr("suite torn down 42\n"));
}

}  // namespace
}  // namespace encapsulate
