// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violation_text.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

Violation Make(Rule rule, const std::string& call, const std::string& target,
               int error, const std::string& arguments = "") {
  Violation violation;
  violation.rule = rule;
  violation.call = call;
  violation.arguments = arguments;
  violation.target = target;
  violation.error = error;
  violation.pid = 12;
  violation.tid = 12;
  violation.program = "/usr/bin/git";
  violation.thread = "git";
  violation.count = 1;
  return violation;
}

Frame MakeFrame(const std::string& object, const std::string& function,
                const std::string& file = "", int line = 0) {
  Frame frame;
  frame.object = object;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.offset = 0x1234;
  return frame;
}

// One whose frames say nothing.
FramesLeftOut Framework() {
  return {{"framework::"}, {"framework::Test::Run("}};
}

Violation Write() {
  Violation violation = Make(Rule::kWrite, "openat", "/usr/x", EROFS,
                             "AT_FDCWD, \"/usr/x\", O_WRONLY|O_CREAT, 0644");
  violation.stack = {
      MakeFrame("/usr/lib/libc.so.6", "__open64"),
      MakeFrame("/src/test", "open_and_close"),
      MakeFrame("/src/test", "std::function<void ()>::operator()() const",
                "/usr/include/c++/12/bits/std_function.h", 591),
      MakeFrame("/src/test", "Cache::Save()", "src/cache.cc", 31),
      MakeFrame("/usr/lib/libsqlite3.so.0", "sqlite3_exec"),
      MakeFrame("/usr/lib/libunknown.so.1", ""),
      MakeFrame("/src/test", "CacheTest_Saves_Test::TestBody()",
                "src/cache_test.cc", 12),
      MakeFrame("/src/test", "framework::Call(void (*)())"),
      MakeFrame("/src/test", "framework::Test::Run()"),
      MakeFrame("/src/test", "main", "src/main.cc", 5),
  };
  return violation;
}

TEST(ViolationTextTest, SaysWhyThereAreNoLines) {
  const auto lines = [](const Violation& violation) {
    const std::string text = DescribeViolation(violation, {});
    const size_t at = text.find("\n  lines    none: ");
    return at == std::string::npos
               ? ""
               : text.substr(at, text.find('\n', at + 1) - at);
  };
  Violation violation = Write();
  violation.program = "/src/test";
  EXPECT_EQ(lines(violation), "") << "it has lines";
  for (Frame& frame : violation.stack) frame.file.clear();
  EXPECT_NE(lines(violation), "");
  // What isn't the project's own has none anywhere.
  violation.program = "/usr/lib/libsqlite3.so.0";
  EXPECT_EQ(lines(violation), "");
  violation.program = "/src/other";
  EXPECT_EQ(lines(violation), "") << "no frame is its own";
  violation.stack.clear();
  EXPECT_EQ(lines(violation), "") << "there is no stack";
}

TEST(ViolationTextTest, TellsEverythingInTheToolsLanguage) {
  Violation violation = Write();
  violation.count = 3;
  TextOptions options;
  options.writable = {"/tmp/test"};
  options.left_out = Framework();
  EXPECT_EQ(
      DescribeViolation(violation, options),
      "tried to open '/usr/x' for writing: read-only file system (EROFS)\n"
      "  call     openat(AT_FDCWD, \"/usr/x\", O_WRONLY|O_CREAT, 0644), 3 "
      "times\n"
      "  from     Cache::Save() at src/cache.cc:31\n"
      "           sqlite3_exec in /usr/lib/libsqlite3.so.0\n"
      "           CacheTest_Saves_Test::TestBody() at src/cache_test.cc:12\n"
      "  program  /usr/bin/git, pid 12\n"
      "  rule     write: nothing changes outside writable trees\n"
      "  instead  write below '/tmp/test'\n"
      "  permit   --writable=/usr\n"
      "  ignore   --allow=write:/usr/x");
}

TEST(ViolationTextTest, TellsEverythingInThePluginsLanguage) {
  Violation violation =
      Make(Rule::kHostSocket, "connect", "/run/x \"y\".sock", ECONNREFUSED,
           "3, {AF_UNIX, \"/run/x \\\"y\\\".sock\"}, 110");
  TextOptions options;
  options.language = Language::kCode;
  options.program = "/usr/bin/git";
  EXPECT_EQ(
      DescribeViolation(violation, options),
      "tried to reach the host's socket '/run/x \"y\".sock': connection "
      "refused (ECONNREFUSED)\n"
      "  call     connect(3, {AF_UNIX, \"/run/x \\\"y\\\".sock\"}, 110)\n"
      "  rule     host-socket: sockets of processes outside are out of reach\n"
      "  permit   options.writable.push_back(\"/run/x \\\"y\\\".sock\");\n"
      "  ignore   options.allowed.push_back({encapsulate::Rule::kHostSocket, "
      "\"/run/x \\\"y\\\".sock\", \"why\"});");
}

TEST(ViolationTextTest, OffersTheWorkingDirectoryWhereItWouldHelp) {
  TextOptions options;
  options.writable = {"/tmp/test"};
  options.working_directory = "/usr";
  EXPECT_EQ(DescribeInstead(Write(), options),
            "write below '/tmp/test'; or let it write to '/usr' and throw that "
            "away: --encapsulate_working_directory=overlay, "
            "TestOptions::working_directory");
  options.working_directory = "/us";
  EXPECT_EQ(DescribeInstead(Write(), options), "write below '/tmp/test'");
}

TEST(ViolationTextTest, SaysWhatWasTried) {
  const struct {
    Violation violation;
    const char* text;
  } cases[] = {
      {Make(Rule::kWrite, "mkdirat", "/d", EROFS), "make the directory '/d'"},
      {Make(Rule::kWrite, "unlink", "/f", EROFS), "remove '/f'"},
      {Make(Rule::kWrite, "rmdir", "/d", EROFS), "remove the directory '/d'"},
      {Make(Rule::kWrite, "renameat2", "/f", EXDEV), "rename from or to '/f'"},
      {Make(Rule::kWrite, "linkat", "/f", EROFS), "make the link '/f'"},
      {Make(Rule::kWrite, "symlink", "/f", EROFS),
       "make the symbolic link '/f'"},
      {Make(Rule::kWrite, "fchmodat", "/f", EROFS), "change the mode of '/f'"},
      {Make(Rule::kWrite, "lchown32", "/f", EROFS), "change the owner of '/f'"},
      {Make(Rule::kWrite, "utimensat", "/f", EROFS),
       "change the times of '/f'"},
      {Make(Rule::kWrite, "truncate64", "/f", EROFS), "truncate '/f'"},
      {Make(Rule::kWrite, "lsetxattr", "/f", EROFS),
       "change the attributes of '/f'"},
      {Make(Rule::kWrite, "file_setattr", "/f", EROFS),
       "change the attributes of '/f'"},
      {Make(Rule::kWrite, "bind", "/s", EROFS), "make the socket '/s'"},
      {Make(Rule::kNetwork, "connect", "192.0.2.1:80", ENETUNREACH),
       "connect to 192.0.2.1:80"},
      {Make(Rule::kNetwork, "sendmmsg", "[::2]:53", ENETUNREACH),
       "send to [::2]:53"},
      {Make(Rule::kNetwork, "bind", "192.0.2.1:80", EADDRNOTAVAIL),
       "bind to 192.0.2.1:80"},
      {Make(Rule::kName, "sendto", "example.com", 0),
       "look up the name 'example.com'"},
      {Make(Rule::kFifo, "openat", "/run/f", EACCES),
       "write to the host's FIFO '/run/f'"},
      {Make(Rule::kDevice, "openat", "/dev/kvm", EACCES),
       "open the device '/dev/kvm'"},
      {Make(Rule::kDevice, "mknodat", "/tmp/d", EPERM),
       "make the device '/tmp/d'"},
      {Make(Rule::kSocketFamily, "socket", "AF_VSOCK", EAFNOSUPPORT),
       "make a socket of the family AF_VSOCK"},
      {Make(Rule::kSignal, "kill", "pid 4711", ESRCH),
       "send a signal to pid 4711, which isn't inside"},
      {Make(Rule::kTrace, "ptrace", "pid 4711", ESRCH),
       "look into pid 4711, which isn't inside"},
      {Make(Rule::kPrivilege, "mount", "/mnt", EPERM),
       "use the privileged call mount on '/mnt'"},
      {Make(Rule::kPrivilege, "settimeofday", "settimeofday", EPERM),
       "use the privileged call settimeofday"},
      {Make(Rule::kKeyring, "add_key", "add_key", ENOSYS),
       "use the kernel's keys by add_key"},
      {Make(Rule::kTerminal, "ioctl", "TIOCSTI", EPERM),
       "type into the terminal (TIOCSTI)"},
      {Make(Rule::kIoUring, "io_uring_setup", "io_uring_setup", ENOSYS),
       "use io_uring by io_uring_setup"},
  };
  for (const auto& c : cases) EXPECT_EQ(DescribeAttempt(c.violation), c.text);
}

TEST(ViolationTextTest, EveryRuleIsExplained) {
  EXPECT_EQ(AllRules().size(), 13U);
  for (Rule rule : AllRules()) {
    EXPECT_FALSE(DescribeRule(rule).empty()) << RuleName(rule);
    // What the flag of a violation says is the violation's rule.
    const std::string line =
        IgnoreLine(Make(rule, "call", "target", EPERM), Language::kFlags);
    EXPECT_EQ(line, absl::StrCat("--allow=", RuleName(rule), ":target"));
  }
}

TEST(ViolationTextTest, AnErrorMayBeLikelyOrUnknown) {
  Violation violation = Make(Rule::kSignal, "kill", "pid 4711", ESRCH);
  EXPECT_EQ(DescribeError(violation), "no such process (ESRCH)");
  violation.error_predicted = true;
  EXPECT_EQ(DescribeError(violation), "probably no such process (ESRCH)");
  violation.error = 0;
  EXPECT_EQ(DescribeError(violation), "refused");
}

TEST(ViolationTextTest, PermitsWhatWouldHelp) {
  const struct {
    Violation violation;
    const char* flag;
    const char* code;
  } cases[] = {
      // A name is of the directory, contents and attributes are of the file.
      {Make(Rule::kWrite, "unlink", "/a/f", EROFS), "--writable=/a",
       "options.writable.push_back(\"/a\");"},
      {Make(Rule::kWrite, "openat", "/a/f", EROFS, "O_WRONLY"),
       "--writable=/a/f", "options.writable.push_back(\"/a/f\");"},
      {Make(Rule::kWrite, "openat", "/a", EROFS, "O_RDWR|O_CREAT|O_TMPFILE"),
       "--writable=/a", "options.writable.push_back(\"/a\");"},
      {Make(Rule::kWrite, "chmod", "/a/it's", EROFS),
       "--writable='/a/it'\\''s'",
       "options.writable.push_back(\"/a/it\\'s\");"},
      // Nothing makes `/` writable, or the kernel's own files.
      {Make(Rule::kWrite, "mkdir", "/new", EROFS), "", ""},
      {Make(Rule::kWrite, "openat", "/proc/sys/x", EROFS), "", ""},
      {Make(Rule::kDevice, "openat", "/dev/kvm", EACCES), "--writable=/dev/kvm",
       "options.writable.push_back(\"/dev/kvm\");"},
      {Make(Rule::kDevice, "mknod", "/tmp/d", EPERM), "", ""},
      {Make(Rule::kNetwork, "connect", "192.0.2.1:80", ENETUNREACH),
       "--network=host", "options.network = encapsulate::Network::kHost;"},
      {Make(Rule::kHostSocket, "connect", "/usr", ECONNREFUSED),
       "--writable=/usr", "options.writable.push_back(\"/usr\");"},
      // Behind a private place, and on no such host.
      {Make(Rule::kHostSocket, "connect", "/usr", ENOENT), "--writable=/usr",
       "options.writable.push_back(\"/usr\");"},
      {Make(Rule::kHostSocket, "connect", "/usr/none", ENOENT), "", ""},
      {Make(Rule::kHostSocket, "connect", "@name", ECONNREFUSED),
       "--network=host", "options.network = encapsulate::Network::kHost;"},
      {Make(Rule::kKeyring, "add_key", "add_key", ENOSYS), "", ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(PermitLine(c.violation, Language::kFlags), c.flag);
    EXPECT_EQ(PermitLine(c.violation, Language::kCode), c.code);
  }
}

TEST(ViolationTextTest, IgnoresByOneLineThatHoldsInTheNextRun) {
  const Violation violation =
      Make(Rule::kIoUring, "io_uring_setup", "io_uring_setup", ENOSYS);
  EXPECT_EQ(IgnoreLine(violation, Language::kFlags),
            "--allow=io-uring:io_uring_setup");
  EXPECT_EQ(IgnoreLine(violation, Language::kCode),
            "options.allowed.push_back({encapsulate::Rule::kIoUring, "
            "\"io_uring_setup\", \"why\"});");
  EXPECT_EQ(IgnoreLine(Make(Rule::kSignal, "kill", "pid 4711", ESRCH),
                       Language::kFlags),
            "--allow='signal:pid *'");
}

TEST(ViolationTextTest, NamesTheNearestWritableTree) {
  TextOptions options;
  const Violation violation = Make(Rule::kWrite, "mkdir", "/home/me/x", EROFS);
  EXPECT_EQ(DescribeInstead(violation, options), "");
  options.writable = {"/tmp", "/home/me/out", "/home/you"};
  EXPECT_EQ(DescribeInstead(violation, options), "write below '/home/me/out'");
  EXPECT_EQ(DescribeInstead(Make(Rule::kWrite, "mkdir", "/x", EROFS), options),
            "write below '/tmp'");
}

std::vector<std::string> FunctionsIn(const std::vector<Frame>& frames) {
  std::vector<std::string> functions;
  functions.reserve(frames.size());
  for (const Frame& frame : frames) functions.push_back(frame.function);
  return functions;
}

TEST(ViolationTextTest, AFrameworkIsLeftOutIfItIsNamed) {
  Violation violation = Make(Rule::kWrite, "unlink", "/f", EROFS);
  violation.stack = {MakeFrame("/test", "framework::Remove()", "f.cc", 1),
                     MakeFrame("/test", "Cache::Drop()", "cache.cc", 7),
                     MakeFrame("/test", "framework::Test::Run()", "f.cc", 2),
                     MakeFrame("/test", "Main()", "main.cc", 3)};
  EXPECT_THAT(FunctionsIn(FramesToShow(violation, Framework())),
              testing::ElementsAre("Cache::Drop()"));
  EXPECT_EQ(OwnFrame(violation, Framework())->file, "cache.cc");
  EXPECT_THAT(FunctionsIn(FramesToShow(violation)),
              testing::ElementsAre("framework::Remove()", "Cache::Drop()",
                                   "framework::Test::Run()", "Main()"));
  EXPECT_EQ(OwnFrame(violation)->file, "f.cc");
}

TEST(ViolationTextTest, OwnCodeIsTheInnermostWithALine) {
  const Violation violation = Write();
  const Frame* const own = OwnFrame(violation);
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->file, "src/cache.cc");
  EXPECT_EQ(own->line, 31);
}

TEST(ViolationTextTest, SanitizersAreNotOwnCode) {
  Violation violation = Make(Rule::kWrite, "unlink", "/f", EROFS);
  violation.stack = {
      MakeFrame("/usr/lib/libtsan.so.2", "unlink"),
      MakeFrame("/a/test", "fopen64", "/b/libsanitizer/common.inc", 6222),
      MakeFrame("/a/test", "__interceptor_open", "/b/compiler-rt/lib/x.cc", 2),
      MakeFrame("/a/test", "Save()", "save.cc", 7)};
  const std::vector<Frame> frames = FramesToShow(violation);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].function, "Save()");
  EXPECT_EQ(OwnFrame(violation)->file, "save.cc");
}

TEST(ViolationTextTest, WithoutLinesThereAreOnlyFunctions) {
  Violation violation = Make(Rule::kWrite, "unlink", "/f", EROFS);
  violation.stack = {MakeFrame("/usr/lib/libc.so.6", "unlink"),
                     MakeFrame("/usr/bin/git", ""),
                     MakeFrame("/usr/bin/git", "cmd_gc")};
  const std::vector<Frame> frames = FramesToShow(violation);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(DescribeFrame(frames[0]), "cmd_gc in /usr/bin/git");
  EXPECT_EQ(OwnFrame(violation), nullptr);
  EXPECT_EQ(DescribeFrame(violation.stack[1]), "0x1234 in /usr/bin/git");
}

TEST(ViolationTextTest, WhatOthersChoseMovesNoCursorAndForgesNoLine) {
  const std::string name = "/e\033[2J\n  rule     none\xc2\x9b\xe2\x80\xae'\\";
  for (Language language : {Language::kFlags, Language::kCode}) {
    for (Rule rule : AllRules()) {
      Violation violation = Make(rule, "openat", name, EROFS, name);
      violation.program = name;
      violation.stack = {MakeFrame(name, name, name, 1), MakeFrame(name, name)};
      TextOptions options;
      options.language = language;
      options.writable = {name};
      const std::string text = DescribeViolation(violation, options);
      EXPECT_EQ(text.find("\n  rule     none"), std::string::npos) << text;
      for (const char* bytes : {"\033", "\xc2\x9b", "\xe2\x80\xae"}) {
        EXPECT_EQ(text.find(bytes), std::string::npos) << text;
      }
    }
  }
  EXPECT_EQ(ShellWord("a'\n"), "$'a\\'\\n'");
  EXPECT_EQ(ShellWord("a b"), "'a b'");
}

TEST(ViolationTextTest, ADeepStackIsCut) {
  Violation violation = Make(Rule::kWrite, "unlink", "/f", EROFS);
  for (int i = 0; i < 100; ++i) {
    violation.stack.push_back(
        MakeFrame("/bin/x", absl::StrCat("f", i), "x.cc", i));
  }
  const std::vector<Frame> frames = FramesToShow(violation);
  ASSERT_EQ(frames.size(), 8U);
  EXPECT_EQ(frames[0].function, "f0");
}

}  // namespace
}  // namespace encapsulate
