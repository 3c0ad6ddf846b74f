// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/confinement.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/child/ledger.h"
#include "encapsulate/child/leftovers.h"
#include "encapsulate/environment.h"
#include "encapsulate/host/levels.h"

namespace encapsulate {
namespace {

// In the sandbox's directory.
constexpr char kTemporary[] = "tmp";
constexpr char kHome[] = "home";
constexpr char kLedger[] = "made";

absl::Status CheckLandlock() {
  static const auto* const obstacle =
      new absl::optional<Obstacle>(ObstacleToLandlock(ProbeLandlock()));
  if (!obstacle->has_value()) return absl::OkStatus();
  return MakeFailure(
      {FailureKind::kHostRefused, "use level landlock", "",
       absl::StrCat("it needs ", (*obstacle)->what,
                    (*obstacle)->cause.reason.empty() ? "" : ": ",
                    (*obstacle)->cause.reason),
       (*obstacle)->error, (*obstacle)->cause.hint});
}

// The first of the usual places in which a directory can be made.
std::string MakeDirectory(const Environment& environment) {
  for (const std::string& base :
       {VariableOf(environment, "TMPDIR"), std::string("/tmp"),
        std::string("/var/tmp")}) {
    if (!absl::StartsWith(base, "/")) continue;
    const absl::StatusOr<std::string> real = RealPath(base);
    if (!real.ok()) continue;
    std::string path = absl::StrCat(*real, "/encapsulate.XXXXXX");
    if (mkdtemp(&path[0]) != nullptr) return path;
  }
  return "";
}

bool IsWritableIn(const Options& options, const std::string& path) {
  const absl::StatusOr<std::string> real = RealPath(path);
  return real.ok() &&
         absl::c_any_of(options.writable, [&](const std::string& given) {
           const absl::StatusOr<std::string> tree = RealPath(given);
           return tree.ok() && IsWithin(*real, *tree);
         });
}

// Who is stopped forks no more.
void KillBelow(pid_t ancestor) {
  const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int signal : {SIGSTOP, SIGKILL}) {
    ForEachBelow(
        proc.get(), ancestor,
        [](pid_t pid, int number) { static_cast<void>(kill(pid, number)); },
        signal);
  }
}

std::vector<std::string> Terminals() {
  std::vector<std::string> terminals;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator("/dev/pts", error);
       entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    terminals.push_back(entry->path().string());
  }
  return terminals;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Confinement>> Confinement::Make(
    Options* options) {
  if (options->isolation == Isolation::kLandlock) {
    const absl::Status status = CheckLandlock();
    if (!status.ok()) return status;
  }
  std::unique_ptr<Confinement> made(new Confinement);
  Environment environment = options->environment.has_value()
                                ? *options->environment
                                : CurrentEnvironment();
  made->scratch_ = MakeDirectory(CurrentEnvironment());
  const std::string& scratch = made->scratch_;
  if (scratch.empty()) {
    return MakeFailure({FailureKind::kHostRefused,
                        "make a directory for temporary files", "", "", errno,
                        "set TMPDIR to a directory that may be written"});
  }
  const std::string temporary = absl::StrCat(scratch, "/", kTemporary);
  const std::string home = absl::StrCat(scratch, "/", kHome);
  // By its name, the command might write to it, where it may write to the
  // directory, and so have init remove what it likes.
  const std::string ledger = absl::StrCat(scratch, "/", kLedger);
  const UniqueFd opened(open(ledger.c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC,
                             S_IRUSR | S_IWUSR));
  if (opened.valid() && unlink(ledger.c_str()) == 0) {
    made->ledger_ = UniqueFd(fcntl(opened.get(), F_DUPFD_CLOEXEC, 3));
  }
  if (!made->ledger_.valid() || mkdir(temporary.c_str(), S_IRWXU) != 0 ||
      mkdir(home.c_str(), S_IRWXU) != 0) {
    return MakeFailure(
        {FailureKind::kHostRefused, "make files in", scratch, "", errno});
  }
  for (const auto& variable :
       {std::make_pair("HOME", &home), std::make_pair("TMPDIR", &temporary),
        std::make_pair("TEST_TMPDIR", &temporary)}) {
    if (!IsWritableIn(*options, VariableOf(environment, variable.first))) {
      SetVariable(variable.first, *variable.second, &environment);
    }
  }
  options->environment = std::move(environment);
  options->writable.push_back(temporary);
  options->writable.push_back(home);
  return made;
}

Confinement::~Confinement() { Clean(); }

absl::Status Confinement::Prepare(Plan* plan) {
  plan->scratch = scratch_;
  plan->ledger = ledger_.get();
  if (plan->isolation == Isolation::kLandlock) {
    absl::Status status = MakeDomains(plan, &domains_);
    if (!status.ok()) return status;
  }
  SupervisorSetup setup;
  if (plan->root_writable) setup.writable.emplace_back("/");
  for (const Place& place : plan->places) {
    setup.writable.push_back(place.target);
  }
  setup.shared = plan->shared;
  setup.devices = WritableDevices(*plan);
  for (std::string& terminal : Terminals()) {
    if (!absl::c_linear_search(setup.devices, terminal)) {
      setup.other_terminals.push_back(std::move(terminal));
    }
  }
  setup.landlock_abi = plan->landlock_abi;
  setup.network = plan->network;
  setup.ledger = ledger_.get();
  setup.queue_prefix =
      absl::StrCat(scratch_.substr(scratch_.rfind('/') + 1), ".");
  for (int fd : plan->keep_descriptors) {
    FileIdentity mark;
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || !ReadIdentity(fd, "", &mark)) continue;
    setup.passed.push_back(mark);
    if ((flags & O_ACCMODE) != O_RDONLY) setup.outputs.push_back(mark);
  }
  supervisor_ = std::make_unique<Supervisor>(std::move(setup));
  return absl::OkStatus();
}

void Confinement::SetInit(pid_t init) {
  domains_ = Domains();
  supervisor_->SetInit(init);
}

void Confinement::AdoptOrphans() {
  adopts_ = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

void Confinement::EndOrphans() const {
  if (!adopts_) return;
  for (;;) {
    const pid_t ended = waitpid(-1, nullptr, WNOHANG | __WALL);
    if (ended < 0 && errno == ECHILD) return;
    if (ended <= 0) KillBelow(getpid());
  }
}

void Confinement::EndBelow(pid_t ancestor, int pidfd) {
  struct pollfd event = {pidfd, POLLIN, 0};
  while (poll(&event, 1, 0) == 0) KillBelow(ancestor);
}

std::vector<std::string> Confinement::Clean() {
  std::vector<std::string> names;
  // What the command has made is its user's, not what capabilities reach.
  const WithoutCapabilities without;
  if (supervisor_ != nullptr) names = supervisor_->RemoveAll();
  if (!scratch_.empty()) RemoveTree(AT_FDCWD, scratch_.c_str());
  scratch_.clear();
  return names;
}

void Confinement::Disown() {
  scratch_.clear();
  ledger_.Reset();
  domains_ = Domains();
  if (supervisor_ != nullptr) supervisor_->Forget();
}

}  // namespace encapsulate
