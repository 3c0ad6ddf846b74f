// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/world.h"

#include <fcntl.h>
#include <langinfo.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/environment.h"
#include "tool/flags.h"
#include "tool/vary/host_failure.h"

namespace encapsulate::tool {
namespace {

constexpr int kTakenEnd = 1100;
constexpr uint64_t kFewDescriptors = 256;
constexpr int kMoreVariables = 1000;

// What a program can't do without, or was told by whoever runs tests.
bool IsMinimal(absl::string_view name) {
  constexpr absl::string_view kNames[] = {"PATH", "HOME", "XML_OUTPUT_FILE"};
  constexpr absl::string_view kPrefixes[] = {
      "LD_",    "TEST_",     "GTEST_",    "ENCAPSULATE_", "BAZEL_",
      "BUILD_", "RUNFILES_", "COVERAGE_", "GCOV_",        "LLVM_",
  };
  return std::find(std::begin(kNames), std::end(kNames), name) !=
             std::end(kNames) ||
         std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [name](absl::string_view prefix) {
                       return absl::StartsWith(name, prefix);
                     });
}

void KeepMinimal(Environment* environment) {
  environment->erase(
      std::remove_if(environment->begin(), environment->end(),
                     [](absl::string_view entry) {
                       return !IsMinimal(entry.substr(0, entry.find('=')));
                     }),
      environment->end());
}

// Gives the command a temporary directory of its own below `scratch`.
absl::Status SetTemporary(const Variations& variations,
                          const std::string& scratch, Options* options) {
  std::string directory = absl::StrCat(scratch, "/tmp");
  if (Holds(variations, VariationKind::kPathsLong)) {
    directory = absl::StrCat(
        scratch, "/a temporary directory with a name of more than a hundred ",
        "bytes, spaces, 'quotes', $signs and \xc3\xbcml\xc3\xa4\xc3\xbcts/",
        std::string(100, 'x'));
    if (mkdir(ParentOf(directory).c_str(), 0700) != 0) {
      return HostFailure("make a directory");
    }
  }
  if (mkdir(directory.c_str(), 0700) != 0) {
    return HostFailure("make a directory");
  }
  options->writable.push_back(directory);
  if (Holds(variations, VariationKind::kReaddir)) {
    options->writable.pop_back();
    options->tmpfs.push_back({directory, 0});
  }
  SetVariable("TMPDIR", directory, &*options->environment);
  SetVariable("TEST_TMPDIR", directory, &*options->environment);
  return absl::OkStatus();
}

// A locale that is installed and writes 0,5 for a half; empty if there is none.
std::string LocaleWithComma() {
  for (const char* language :
       {"de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "pl_PL", "ru_RU",
        "sv_SE", "cs_CZ", "da_DK", "fi_FI", "nb_NO", "tr_TR", "uk_UA"}) {
    std::string name = absl::StrCat(language, ".UTF-8");
    locale_t locale = newlocale(LC_NUMERIC_MASK, name.c_str(), nullptr);
    if (locale == nullptr) continue;
    const std::string radix = nl_langinfo_l(RADIXCHAR, locale);
    freelocale(locale);
    if (radix == ",") return name;
  }
  return "";
}

[[noreturn]] void Compute() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (volatile unsigned counter = 0;; counter = counter + 1) {
  }
}

}  // namespace

absl::Status World::Make(const Variations& variations,
                         const std::string& scratch, Options* options) {
  Environment& environment = *options->environment;
  // Others add to what is left.
  if (Holds(variations, VariationKind::kEnvironmentMinimal)) {
    KeepMinimal(&environment);
  }
  absl::Status status = SetTemporary(variations, scratch, options);
  for (const Variation* variation : variations) {
    if (status.ok()) status = Apply(variation->kind, options);
  }
  return status;
}

absl::Status World::Apply(VariationKind kind, Options* options) {
  Environment& environment = *options->environment;
  switch (kind) {
    case VariationKind::kOneCpu:
      return UseOneCpu();
    case VariationKind::kBusy:
      return Load();
    case VariationKind::kShuffled:
      SetVariable("GTEST_SHUFFLE", "1", &environment);
      SetVariable("GTEST_RANDOM_SEED", "12345", &environment);
      break;
    case VariationKind::kTimezoneEast:
      SetVariable("TZ", "<+14>-14", &environment);
      break;
    case VariationKind::kTimezoneWest:
      SetVariable("TZ", "<-0930>9:30<-0830>8:30,M3.2.0,M11.1.0", &environment);
      break;
    case VariationKind::kLocaleC:
    case VariationKind::kLocaleComma:
      for (const char* name : {"LANG", "LC_ALL"}) {
        SetVariable(name,
                    kind == VariationKind::kLocaleC ? "C" : LocaleWithComma(),
                    &environment);
      }
      break;
    case VariationKind::kUserRoot:
      options->identity = Identity::kRoot;
      break;
    case VariationKind::kUmask077:
      options->umask = 077;
      break;
    case VariationKind::kUmask000:
      options->umask = 0;
      break;
    case VariationKind::kHostname:
      options->hostname =
          "another-host-with-a-name-of-sixty-three-characters.example.test";
      break;
    case VariationKind::kHomeMissing:
      SetVariable("HOME", "/nonexistent", &environment);
      break;
    case VariationKind::kNoAslr:
      return FixAddresses();
    case VariationKind::kMemory:
      SetVariable("MALLOC_PERTURB_", "165", &environment);
      break;
    case VariationKind::kDescriptorsHigh:
      return TakeDescriptors(options);
    case VariationKind::kDescriptorsFew:
      options->limits.open_files = std::min<uint64_t>(
          kFewDescriptors,
          options->limits.open_files.value_or(kFewDescriptors));
      break;
    case VariationKind::kStdinEmpty:
    case VariationKind::kStdinClosed:
      input_ = kind;
      break;
    case VariationKind::kTerminal:
      SetVariable("TERM", "xterm-256color", &environment);
      SetVariable("COLUMNS", "40", &environment);
      break;
    case VariationKind::kEnvironmentLarge:
      for (int i = 0; i < kMoreVariables; ++i) {
        SetVariable(absl::StrFormat("VARIATION_%04d", i), std::string(85, 'x'),
                    &environment);
      }
      break;
    case VariationKind::kPathsLong:
    case VariationKind::kReaddir:
    case VariationKind::kEnvironmentMinimal:
      break;  // done at first
  }
  return absl::OkStatus();
}

absl::Status World::UseOneCpu() {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof(all), &all) != 0) {
    return HostFailure("read which processors may be used");
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  if (sched_setaffinity(0, sizeof(one), &one) != 0) {
    return HostFailure("use one processor");
  }
  cpus_ = all;
  return absl::OkStatus();
}

absl::Status World::Load() {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof(all), &all) != 0) {
    return HostFailure("read which processors may be used");
  }
  for (int i = 0; i < 2 * CPU_COUNT(&all); ++i) {
    const pid_t pid = fork();
    if (pid == -1) return HostFailure("start a process that computes");
    if (pid == 0) Compute();
    load_.push_back(pid);
  }
  return absl::OkStatus();
}

absl::Status World::FixAddresses() {
  // As its manual says, this asks.
  const int persona = personality(0xffffffff);
  if (persona == -1 ||
      personality(static_cast<unsigned>(persona) | ADDR_NO_RANDOMIZE) == -1) {
    return HostFailure("have the same addresses in each run");
  }
  persona_ = persona;
  return absl::OkStatus();
}

absl::Status World::TakeDescriptors(Options* options) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return HostFailure("read how many descriptors may be open");
  }
  const struct rlimit before = limit;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return HostFailure("open more descriptors");
  }
  descriptors_ = before;
  UniqueFd low(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd null(fcntl(low.get(), F_DUPFD_CLOEXEC, kTakenEnd));
  if (!null.valid()) return HostFailure("open '/dev/null'");
  low.Reset();
  for (int number = STDERR_FILENO + 1; number < kTakenEnd; ++number) {
    const auto& kept = options->keep_descriptors;
    if (std::find(kept.begin(), kept.end(), number) != kept.end()) continue;
    const int flags = fcntl(number, F_GETFD);
    // Where to the status goes, for example, and what is this program's own.
    if (flags >= 0 && (number == absl::GetFlag(FLAGS_status_fd).number ||
                       (flags & FD_CLOEXEC) != 0)) {
      continue;
    }
    // What was inherited isn't the command's, who would find its number free.
    UniqueFd aside(flags < 0 ? -1 : fcntl(number, F_DUPFD_CLOEXEC, kTakenEnd));
    if (aside.valid()) moved_.push_back({number, std::move(aside)});
    if (dup3(null.get(), number, O_CLOEXEC) < 0) {
      return HostFailure("open more descriptors");
    }
    if (flags < 0) taken_.emplace_back(number);
    options->keep_descriptors.push_back(number);
  }
  return absl::OkStatus();
}

absl::Status World::ReplaceInput() {
  if (!input_.has_value()) return absl::OkStatus();
  UniqueFd before(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (*input_ == VariationKind::kStdinClosed) {
    close(STDIN_FILENO);
  } else {
    UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null.valid() || dup2(null.get(), STDIN_FILENO) < 0) {
      return HostFailure("open '/dev/null'");
    }
  }
  standard_input_ = std::move(before);
  return absl::OkStatus();
}

World::~World() {
  if (cpus_.has_value()) sched_setaffinity(0, sizeof(*cpus_), &*cpus_);
  if (persona_.has_value()) personality(static_cast<unsigned>(*persona_));
  for (pid_t pid : load_) kill(pid, SIGKILL);
  for (pid_t pid : load_) {
    while (waitpid(pid, nullptr, 0) == -1 && errno == EINTR) {
    }
  }
  taken_.clear();
  for (const Moved& moved : moved_) dup2(moved.aside.get(), moved.number);
  if (descriptors_.has_value()) setrlimit(RLIMIT_NOFILE, &*descriptors_);
  if (standard_input_.has_value()) {
    if (standard_input_->valid()) {
      dup2(standard_input_->get(), STDIN_FILENO);
    } else {
      close(STDIN_FILENO);
    }
  }
}

std::string WhyWithout(const Variation& variation) {
  cpu_set_t cpus;
  struct rlimit limit;
  switch (variation.kind) {
    case VariationKind::kOneCpu:
      if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 &&
          CPU_COUNT(&cpus) == 1) {
        return "there is one processor only";
      }
      break;
    case VariationKind::kLocaleComma:
      if (LocaleWithComma().empty()) {
        return "no locale with a decimal comma is installed";
      }
      break;
    case VariationKind::kUserRoot:
      if (geteuid() == 0) return "the user is root already";
      break;
    case VariationKind::kDescriptorsHigh:
      if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
          limit.rlim_max < kTakenEnd + kFewDescriptors) {
        return "too few descriptors may be open (RLIMIT_NOFILE)";
      }
      break;
    default:
      break;
  }
  return "";
}

}  // namespace encapsulate::tool
