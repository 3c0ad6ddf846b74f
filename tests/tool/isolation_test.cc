// SPDX-License-Identifier: Apache-2.0
//
// What each isolation level keeps in places that forbid something: the table of
// isolation.h decides what is expected.
#include "encapsulate/isolation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/places/places.h"
#include "tests/support/tool.h"

namespace encapsulate::tool {
namespace {

using places::EnterPlace;
using places::Place;
using ::testing::HasSubstr;
using ::testing::Not;

// A place, and which levels it grants besides process.
struct Case {
  const char* name;
  std::vector<Place> places;
  std::vector<Isolation> granted;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"Host", {}, {Isolation::kNamespaces, Isolation::kLandlock}},
    {"Docker", {Place::kDocker}, {Isolation::kLandlock}},
    {"DockerWithProfile",
     {Place::kDockerWithProfile},
     {Isolation::kNamespaces, Isolation::kLandlock}},
    {"AppArmor", {Place::kAppArmor}, {Isolation::kLandlock}},
    {"NoUserNamespaces", {Place::kNoUserNamespaces}, {Isolation::kLandlock}},
    {"NoLandlock", {Place::kNoLandlock}, {Isolation::kNamespaces}},
    {"LandlockOff", {Place::kLandlockOff}, {Isolation::kNamespaces}},
    {"NoListener", {Place::kNoListener}, {Isolation::kNamespaces}},
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Keeps SIGUSR1 from this process while it lives, and knows whether it came.
class SignalGuard {
 public:
  SignalGuard() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, &before_);
  }
  ~SignalGuard() {
    std::signal(SIGUSR1, SIG_IGN);  // drops one that is pending
    sigprocmask(SIG_SETMASK, &before_, nullptr);
    std::signal(SIGUSR1, SIG_DFL);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  static bool WasSignalled() {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGUSR1) == 1;
  }

 private:
  sigset_t before_;
};

// Listens, and knows whether anybody came.
class Server {
 public:
  explicit Server(int family) : fd_(socket(family, SOCK_STREAM, 0)) {}
  ~Server() { close(fd_); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // At a free port of loopback, which it returns.
  int ListenAtPort() {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Listen(&address, sizeof(address));
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  // A leading '@' stands for an abstract name.
  void ListenAt(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    EXPECT_LT(name.size(), sizeof(address.sun_path));
    memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    Listen(&address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                            name.size()));
  }
  bool WasReached() const {
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK);
    if (connection >= 0) close(connection);
    return connection >= 0;
  }

 private:
  void Listen(const void* address, socklen_t size) {
    EXPECT_EQ(bind(fd_, static_cast<const sockaddr*>(address), size), 0)
        << strerror(errno);
    EXPECT_EQ(listen(fd_, 8), 0);
    fcntl(fd_, F_SETFL, O_NONBLOCK);
  }

  int fd_;
};

// Something outside that a promise is about: what reaches for it, in the
// shell's words, and whether that was reached.
struct Reach {
  const char* promise;
  std::string script;
  std::function<bool()> reached;
};

class IsolationLevelTest : public ::testing::TestWithParam<Case> {
 protected:
  IsolationLevelTest()
      : base_(absl::StrCat(ScratchPath(), "/levels")),
        outside_(base_ + "/outside"),
        tree_(base_ + "/tree"),
        name_(absl::StrCat("encapsulate-levels-", getpid())),
        shared_(absl::StrCat("/dev/shm/", name_)) {
    std::filesystem::create_directories(outside_);
    std::filesystem::create_directories(tree_);
  }
  ~IsolationLevelTest() override {
    std::filesystem::remove_all(base_);
    for (const std::string& file : {shared_, shared_ + "-made"}) {
      unlink(file.c_str());
    }
  }

  void SetUpOutside() const {
    for (const std::string& file : {outside_ + "/file", shared_}) {
      std::ofstream(file) << "as it was\n";
    }
    chmod((outside_ + "/file").c_str(), 0600);
    unlink((shared_ + "-made").c_str());
  }

  // Runs the shell's script at a level, in this place.
  Finished Run(const std::string& level, const std::string& script) const {
    return RunTool(
        {"--isolation=" + level, "--chdir=/", tree_, "/bin/bash", "-c", script},
        Enter());
  }

  static std::function<void()> Enter() {
    return [] {
      for (Place place : GetParam().places) EnterPlace(place);
    };
  }

  // Level process asks for nothing.
  static bool Grants(Isolation level) {
    return level == Isolation::kProcess ||
           absl::c_linear_search(GetParam().granted, level);
  }

  const std::string base_;
  const std::string outside_;
  const std::string tree_;
  const std::string name_;
  const std::string shared_;
};

INSTANTIATE_TEST_SUITE_P(Places, IsolationLevelTest,
                         ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST_P(IsolationLevelTest, IsUsedOrRefusedByName) {
  for (Isolation level : AllIsolations()) {
    const std::string name = IsolationName(level);
    SCOPED_TRACE(name);
    const Finished finished = Run(name, "echo it ran; exit 3");
    if (Grants(level)) {
      EXPECT_EQ(finished.exit_code, 3) << finished.errors;
      EXPECT_EQ(finished.output, "it ran\n");
      // What was used is said, unless it is the default.
      EXPECT_EQ(absl::StrContains(finished.errors, "isolation level " + name),
                level != Isolation::kNamespaces)
          << finished.errors;
    } else {
      EXPECT_EQ(finished.exit_code, 125);
      EXPECT_EQ(finished.output, "");
      EXPECT_THAT(finished.errors, HasSubstr("encapsulate: cannot "));
      EXPECT_THAT(finished.errors, HasSubstr("; hint: "));
      EXPECT_THAT(finished.errors, Not(HasSubstr("isolation level landlock,")));
      // The strongest of the weaker ones that work is named.
      EXPECT_EQ(absl::StrContains(finished.errors,
                                  "level landlock works on this host "
                                  "(--isolation=landlock), but doesn't keep: "),
                level == Isolation::kNamespaces)
          << finished.errors;
    }
  }
}

TEST_P(IsolationLevelTest, IsInTheCheckAsItIs) {
  const Finished finished = RunTool({"--check"}, Enter());
  for (Isolation level : AllIsolations()) {
    EXPECT_THAT(finished.output,
                HasSubstr(absl::StrCat(
                    Grants(level) ? "ok           " : "unavailable  ",
                    "isolation level ", IsolationName(level), "\n")));
  }
}

TEST_P(IsolationLevelTest, KeepsWhatTheTableSays) {
  // LANDLOCK_CREATE_RULESET_VERSION
  const auto abi = static_cast<int>(syscall(444, nullptr, 0, 1));
  for (Isolation level : AllIsolations()) {
    if (!Grants(level)) continue;
    SCOPED_TRACE(IsolationName(level));
    const std::string file = outside_ + "/file";
    SetUpOutside();
    const SignalGuard guard;
    const pid_t outsider = getpid();
    Server tcp(AF_INET);
    const int port = tcp.ListenAtPort();
    Server by_path(AF_UNIX);
    by_path.ListenAt(outside_ + "/socket");
    Server abstract(AF_UNIX);
    abstract.ListenAt("@" + name_);
    const int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0666);
    struct stat before;
    ASSERT_EQ(stat(file.c_str(), &before), 0);
    const int nice = getpriority(PRIO_PROCESS, static_cast<id_t>(outsider));
    const std::string seen = tree_ + "/seen";
    const std::string bound = tree_ + "/bound";
    const auto perl_connect = [](const std::string& address) {
      return absl::StrCat(
          "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, "
          "pack(\"S a*\", AF_UNIX, \"",
          address, "\"))'");
    };
    const std::vector<Reach> reaches = {
        {"files", absl::StrCat("echo more >>", file),
         [&] { return ReadFile(file) != "as it was\n"; }},
        {"metadata", absl::StrCat("chmod 644 ", file),
         [&] {
           struct stat now;
           return stat(file.c_str(), &now) != 0 ||
                  now.st_mode != before.st_mode;
         }},
        {"metadata", absl::StrCat("touch -d 2001-01-01 ", file),
         [&] {
           struct stat now;
           return stat(file.c_str(), &now) != 0 ||
                  now.st_mtim.tv_sec != before.st_mtim.tv_sec;
         }},
        {"temporary files", absl::StrCat("echo more >>", shared_),
         [&] { return ReadFile(shared_) != "as it was\n"; }},
        {"temporary files", absl::StrCat("echo >", shared_, "-made"),
         [&] { return access((shared_ + "-made").c_str(), F_OK) == 0; }},
        {"servers on loopback", absl::StrCat("true >/dev/tcp/127.0.0.1/", port),
         [&] { return tcp.WasReached(); }},
        {"Unix sockets", perl_connect(outside_ + "/socket"),
         [&] { return by_path.WasReached(); }},
        {"abstract Unix sockets", perl_connect("\\0" + name_),
         [&] { return abstract.WasReached(); }},
        {"signals", absl::StrCat("kill -USR1 ", outsider),
         SignalGuard::WasSignalled},
        {"priorities and limits", absl::StrCat("renice -n 7 -p ", outsider),
         [&] { return getpriority(PRIO_PROCESS, 0) != nice; }},
        {"IPC", absl::StrCat("ipcrm -q ", queue),
         [&] {
           struct msqid_ds info;
           return msgctl(queue, IPC_STAT, &info) != 0;
         }},
        {"own processes",
         absl::StrCat("test -e /proc/", outsider, " && echo >", seen),
         [&] { return access(seen.c_str(), F_OK) == 0; }},
        {"own ports",
         absl::StrCat("perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); "
                      "exit !bind(S, pack_sockaddr_in(",
                      port, ", INADDR_LOOPBACK))' || echo >", bound),
         [&] { return access(bound.c_str(), F_OK) == 0; }},
    };
    std::string script;
    for (const Reach& reach : reaches) {
      absl::StrAppend(&script, reach.script, "\n");
    }
    absl::StrAppend(&script, "echo written >", tree_, "/written\n");
    const Finished finished = Run(IsolationName(level), script);
    // The twin: the script ran, to its end.
    EXPECT_EQ(ReadFile(tree_ + "/written"), "written\n") << finished.errors;
    for (const Reach& reach : reaches) {
      const auto promise = absl::c_find_if(Promises(), [&](const Promise& one) {
        return one.name == std::string(reach.promise);
      });
      ASSERT_NE(promise, Promises().end()) << reach.promise;
      // A user can't take it back.
      if (reach.promise == std::string("priorities and limits") &&
          level == Isolation::kProcess) {
        continue;
      }
      EXPECT_EQ(reach.reached(), HowKept(*promise, level, abi) == Kept::kNo)
          << reach.promise << ": " << reach.script << "\n"
          << finished.errors;
    }
    msgctl(queue, IPC_RMID, nullptr);
    for (const std::string& made :
         {seen, bound, outside_ + "/socket", tree_ + "/written"}) {
      unlink(made.c_str());
    }
    // Every one of them can be reached.
    if (level == GetParam().granted.front()) {
      EXPECT_EQ(
          RunProgram({"/bin/bash", "-c", absl::StrCat("kill -USR1 ", outsider)})
              .exit_code,
          0);
      EXPECT_TRUE(SignalGuard::WasSignalled());
    }
  }
}

TEST_P(IsolationLevelTest, ReportsWhatIsAttempted) {
  for (Isolation level : {Isolation::kNamespaces, Isolation::kLandlock}) {
    if (!Grants(level)) continue;
    // Nobody can watch there.
    if (absl::c_linear_search(GetParam().places, Place::kNoListener)) continue;
    SCOPED_TRACE(IsolationName(level));
    const std::string report = base_ + "/report";
    const auto run = [&](const std::string& script) {
      return RunTool(
          {absl::StrCat("--isolation=", IsolationName(level)),
           "--violations=enforce", "--report=" + report, "--status-fd=1",
           "--chdir=/", tree_, "/bin/bash", "-c", script},
          Enter());
    };
    const Finished reaching =
        run(absl::StrCat("echo >", outside_,
                         "/file; true >/dev/tcp/192.0.2.1/9; "
                         "kill -0 ",
                         getpid(), "; exit 0"));
    EXPECT_EQ(reaching.exit_code, 122) << reaching.errors;
    EXPECT_THAT(reaching.errors, HasSubstr(outside_ + "/file"));
    EXPECT_THAT(reaching.errors, HasSubstr("192.0.2.1:9"));
    // What isolated is in the report and in the status.
    EXPECT_THAT(ReadFile(report),
                HasSubstr(absl::StrCat(",\"isolation\":\"",
                                       IsolationName(level), "\"}\n")));
    EXPECT_THAT(reaching.output,
                HasSubstr(absl::StrCat("\"isolation\":\"", IsolationName(level),
                                       "\"")));
    const Finished staying = run(absl::StrCat("echo >", tree_, "/file"));
    EXPECT_EQ(staying.exit_code, 0) << staying.errors;
  }
}

TEST_P(IsolationLevelTest, EndsWhatWasStarted) {
  for (Isolation level : AllIsolations()) {
    if (!Grants(level)) continue;
    SCOPED_TRACE(IsolationName(level));
    // RunTool() looks for processes that are left.
    const Finished finished =
        Run(IsolationName(level),
            "trap '' TERM; (setsid /bin/sleep 1000 & kill -STOP $!) & exit 5");
    EXPECT_EQ(finished.exit_code, 5) << finished.errors;
    const Finished late =
        RunTool({absl::StrCat("--isolation=", IsolationName(level)),
                 "--timeout=0.5", "--grace=0", "", "/bin/sleep", "1000"},
                Enter());
    EXPECT_EQ(late.exit_code, 124) << late.errors;
  }
}

}  // namespace
}  // namespace encapsulate::tool
