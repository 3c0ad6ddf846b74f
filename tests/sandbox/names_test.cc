// SPDX-License-Identifier: Apache-2.0
//
// Questions for names: who asks for a name that isn't local hears at once that
// there is none, and it is a violation.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

Options Watching() {
  Options options;
  options.violations = Violations::kReport;
  return options;
}

// getaddrinfo(3)'s error.
int LookUp(const char* name) {
  addrinfo* found = nullptr;
  const int error = getaddrinfo(name, nullptr, nullptr, &found);
  if (error == 0) freeaddrinfo(found);
  return error;
}

// A question for the A record of "ab.cd", with id 1.
constexpr char kQuery[] = "\0\1\1\0\0\1\0\0\0\0\0\0\2ab\2cd\0\0\1\0\1";
constexpr size_t kQuerySize = sizeof(kQuery) - 1;

sockaddr_in NameServer() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Whether it is an answer to the query: NXDOMAIN.
bool IsRefusal(const char* answer, ssize_t size) {
  return size == static_cast<ssize_t>(kQuerySize) && answer[1] == '\1' &&
         (answer[2] & 0x80) != 0 && (answer[3] & 0x0f) == 3;
}

std::string Names(const Result& result) {
  std::string names;
  for (const Violation& violation : result.record.violations) {
    absl::StrAppend(&names, RuleName(violation.rule), ":", violation.target,
                    " ");
  }
  return names;
}

void ExpectTheAskerToBeKnown() {
  Result result = RunEntered(Watching(), [] {
    return LookUp("www.Example.com") == EAI_NONAME ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(result.record.violations.size(), 1U) << Names(result);
  Violation& violation = result.record.violations[0];
  EXPECT_EQ(violation.rule, Rule::kName);
  EXPECT_EQ(violation.target, "www.example.com");
  EXPECT_EQ(violation.count, 1U) << "of the IPv4 and the IPv6 address";
  EXPECT_EQ(violation.error, 0);
  EXPECT_TRUE(absl::StrContains(violation.program, "names_test"))
      << violation.program;
  EXPECT_GT(violation.pid, 1);
  Symbolize(&violation);
  bool own = false;
  for (const Frame& frame : violation.stack) {
    own |= absl::StrContains(frame.function, "LookUp");
  }
  EXPECT_EQ(own, HasStacks());
}

TEST(NamesTest, ALookUpIsRefusedAndRecorded) { ExpectTheAskerToBeKnown(); }

// Of init, whom an ordinary user may not trace, such a /proc shows nothing.
TEST(NamesTest, TheAskerIsKnownWhereProcHidesProcesses) {
  for (const char* options : {"hidepid=1", "hidepid=2"}) {
    OnHostWithProc(options, [&] {
      SCOPED_TRACE(options);
      ExpectTheAskerToBeKnown();
    });
  }
}

TEST(NamesTest, LookUpsAreCountedNotQuestions) {
  Options options = Watching();
  options.allowed.push_back({Rule::kName, "*.example.org", "it does without"});
  const Result result = RunEntered(options, [] {
    for (int i = 0; i < 3; ++i) {
      for (const char* name : {"www.example.com", "www.example.org"}) {
        if (LookUp(name) != EAI_NONAME) return 1;
      }
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(Names(result), "name:www.example.com ");
  EXPECT_EQ(result.record.violations[0].count, 3U);
  ASSERT_EQ(result.record.allowed.size(), 1U);
  EXPECT_EQ(result.record.allowed[0].count, 3U);
}

TEST(NamesTest, LookUpsOfDifferentProcessesAreCounted) {
  const Result result = RunEntered(Watching(), [] {
    for (int i = 0; i < 3; ++i) {
      const pid_t child = fork();
      if (child == 0) _exit(LookUp("www.example.com") == EAI_NONAME ? 0 : 1);
      int status = 0;
      if (waitpid(child, &status, 0) != child || status != 0) return 1;
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(Names(result), "name:www.example.com ");
  EXPECT_EQ(result.record.violations[0].count, 3U);
}

TEST(NamesTest, LocalNamesAreFoundInSilence) {
  const Result result = RunEntered(Watching(), [] {
    char name[256] = {};
    if (LookUp("localhost") != 0) return 1;
    if (gethostname(name, sizeof(name)) != 0 || LookUp(name) != 0) return 2;
    if (LookUp("127.0.0.1") != 0) return 3;
    const sockaddr_in address = NameServer();
    return getnameinfo(reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address), name, sizeof(name), nullptr, 0,
                       NI_NAMEREQD) == 0
               ? 0
               : 4;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Names(result), "");
}

TEST(NamesTest, AnAllowedNameIsStillRefused) {
  Options options = Watching();
  options.allowed.push_back({Rule::kName, "*.example.com", "it does without"});
  const Result result = RunEntered(options, [] {
    if (LookUp("www.example.com") != EAI_NONAME) return 1;
    return LookUp("www.example.org") == EAI_NONAME ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Names(result), "name:www.example.org ");
  ASSERT_EQ(result.record.allowed.size(), 1U);
  EXPECT_EQ(result.record.allowed[0].allowed.target, "*.example.com");
}

TEST(NamesTest, AQuestionByDatagramIsRecordedAsItsCall) {
  const Result result = RunEntered(Watching(), [] {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in server = NameServer();
    char answer[512];
    if (sendto(fd, kQuery, kQuerySize, 0,
               reinterpret_cast<const sockaddr*>(&server),
               sizeof(server)) != static_cast<ssize_t>(kQuerySize)) {
      return 1;
    }
    return IsRefusal(answer, recv(fd, answer, sizeof(answer), 0)) ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(Names(result), "name:ab.cd ");
  EXPECT_EQ(result.record.violations[0].call, "sendto");
  EXPECT_TRUE(absl::EndsWith(result.record.violations[0].arguments,
                             ", 23, 0, {AF_INET, \"127.0.0.1:53\"}, 16"))
      << result.record.violations[0].arguments;
}

TEST(NamesTest, AQuestionByConnectionIsRecordedAsItsCall) {
  const Result result = RunEntered(Watching(), [] {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in server = NameServer();
    if (connect(fd, reinterpret_cast<const sockaddr*>(&server),
                sizeof(server)) != 0) {
      return 1;
    }
    // Two questions at once, and the second one in two parts.
    std::string message =
        absl::StrCat(std::string("\0\x17", 2), std::string(kQuery, kQuerySize));
    message += message;
    for (const std::string& part :
         {message.substr(0, 40), message.substr(40)}) {
      if (write(fd, part.data(), part.size()) !=
          static_cast<ssize_t>(part.size())) {
        return 2;
      }
    }
    char answer[64];
    for (int i = 0; i < 2; ++i) {
      const ssize_t size = recv(fd, answer, 2 + kQuerySize, MSG_WAITALL);
      if (!IsRefusal(answer + 2, size - 2)) return 3;
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(Names(result), "name:ab.cd ");
  EXPECT_EQ(result.record.violations[0].count, 2U);
  EXPECT_EQ(result.record.violations[0].call, "connect");
}

TEST(NamesTest, ConnectionsThatSayNothingKeepNobodyWaiting) {
  const Result result = RunEntered(Watching(), [] {
    const sockaddr_in server = NameServer();
    for (int i = 0; i < 100; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(fd, reinterpret_cast<const sockaddr*>(&server),
                  sizeof(server)) != 0) {
        return 1;
      }
    }
    return LookUp("example.com") == EAI_NONAME ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Names(result), "name:example.com ");
}

TEST(NamesTest, NobodyNeedsToWaitForTheAnswer) {
  const Result result = RunEntered(Watching(), [] {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in server = NameServer();
    return sendto(fd, kQuery, kQuerySize, 0,
                  reinterpret_cast<const sockaddr*>(&server),
                  sizeof(server)) > 0
               ? 0
               : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Names(result), "name:ab.cd ");
}

TEST(NamesTest, ProgramsAreRefusedAndNamed) {
  const std::vector<std::vector<std::string>> commands = {
      {"/usr/bin/getent", "ahosts", "example.com"},
      {"/usr/bin/python3", "-c",
       "import socket\n"
       "try: socket.getaddrinfo('example.com', 80)\n"
       "except socket.gaierror as error: exit(2)"},
  };
  for (const std::vector<std::string>& command : commands) {
    SCOPED_TRACE(command[0]);
    const Ran ran = RunIn(Watching(), command);
    ASSERT_TRUE(ran.status.ok()) << ran.status;
    EXPECT_EQ(ran.result.exit_code, 2);
    ASSERT_EQ(Names(ran.result), "name:example.com ");
    const std::string& program = ran.result.record.violations[0].program;
    EXPECT_TRUE(absl::StrContains(program, "getent") ||
                absl::StrContains(program, "python3"))
        << program;
  }
  const Ran local =
      RunIn(Watching(), {"/usr/bin/getent", "hosts", "localhost"});
  EXPECT_EQ(local.result.exit_code, 0);
  EXPECT_EQ(Names(local.result), "");
}

TEST(NamesTest, ASandboxInsideHasNoNameServer) {
  if (geteuid() == 0) GTEST_SKIP() << "root can't make one: see SECURITY.md";
  const std::string command =
      "getent hosts example.com; test $? = 2 && getent hosts localhost";
  const Result result = RunEntered(Watching(), [&] {
    const absl::StatusOr<Result> inner =
        encapsulate::Run(Options(), {"/bin/sh", "-c", command});
    return inner.ok() && inner->exit_code == 0 ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Names(result), "");
  const Ran beside = RunIn(Watching(), {"/bin/sh", "-c", command});
  EXPECT_EQ(beside.result.exit_code, 0);
  EXPECT_EQ(Names(beside.result), "name:example.com ");
}

TEST(NamesTest, WithoutAMonitorThereIsNoNameServer) {
  const Result result = RunEntered({}, [] {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in server = NameServer();
    return connect(fd, reinterpret_cast<const sockaddr*>(&server),
                   sizeof(server)) != 0
               ? 0
               : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
}

TEST(NamesTest, TheHostsResolverConfigurationIsUntouched) {
  const std::string before = ReadAll("/etc/resolv.conf");
  EXPECT_EQ(ShellInside(Watching(), "cat /etc/resolv.conf"),
            "nameserver 127.0.0.1");
  EXPECT_EQ(ReadAll("/etc/resolv.conf"), before);
  EXPECT_EQ(CountChildren(), 0);
}

TEST(NamesTest, LeavesNoDescriptors) {
  const int before = CountDescriptors();
  RunEntered(Watching(), [] { return LookUp("example.com"); });
  EXPECT_EQ(CountDescriptors(), before);
  // Nor does a child have any of the caller's.
  const Result result = RunEntered(
      Watching(), [before] { return CountDescriptors() == before ? 0 : 1; });
  EXPECT_EQ(result.exit_code, 0);
}

}  // namespace
}  // namespace encapsulate
