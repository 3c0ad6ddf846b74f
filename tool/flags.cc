// SPDX-License-Identifier: Apache-2.0

#include "tool/flags.h"

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/optional.h"
#include "tool/words.h"

using encapsulate::tool::Count;
using encapsulate::tool::Descriptor;
using encapsulate::tool::IsolationChoice;
using encapsulate::tool::LearnChoice;
using encapsulate::tool::LeftoversChoice;
using encapsulate::tool::NetworkChoice;
using encapsulate::tool::Size;
using encapsulate::tool::Time;
using encapsulate::tool::UserChoice;
using encapsulate::tool::Values;
using encapsulate::tool::ViolationsChoice;

// --- Isolation --------------------------------------------------------------

ABSL_FLAG(IsolationChoice, isolation, {},
          "What isolates: 'namespaces' (the default), the only security "
          "boundary; 'landlock', for places that forbid namespaces, such as "
          "containers; 'process', which keeps nothing from reaching out; "
          "'best', the strongest of these that the host grants. What was used "
          "is said on standard error, unless it is namespaces.");

// --- Filesystem -------------------------------------------------------------

ABSL_FLAG(Values, writable, {},
          "Make the tree at PATH writable: a directory with everything below "
          "it, or a single file. For names that hold a '|', and for use with "
          "'--'.");
ABSL_FLAG(Values, overlay, {},
          "Let the command write to the directory PATH, and throw away what it "
          "wrote.");
ABSL_FLAG(bool, overlay_changes, false,
          "At the end, list what overlays caught, on standard error.");
ABSL_FLAG(Values, tmpfs, {},
          "Show a fresh, empty directory at PATH, in memory, gone at the end. "
          "SIZE is the most that it can hold; without one, half of the "
          "machine's memory.");
ABSL_FLAG(bool, tmp, false,
          "Show fresh, empty directories at /tmp and /var/tmp. If the working "
          "directory or the command lies in one of them, the directory of it "
          "with that is shown, read-only. --tmpfs=/tmp:SIZE limits one of "
          "them.");
ABSL_FLAG(Values, hide, {}, "Make the directory or file at PATH look empty.");
ABSL_FLAG(Values, show, {},
          "Show the tree at PATH, read-only, where --tmp, --hermetic, --tmpfs "
          "or --hide would cover it, or where a tree around it is writable.");
ABSL_FLAG(std::string, chdir, "",
          "Start the command in the directory PATH, as the sandbox shows it, "
          "in place of the current one.");

// --- Network and host name --------------------------------------------------

ABSL_FLAG(NetworkChoice, network, {},
          "Which network the command sees: 'loopback', its own with 127.0.0.1 "
          "and ::1 and nothing else (the default); 'none', its own without "
          "even that; 'host', the host's, which isolates nothing.");
ABSL_FLAG(std::string, hostname, "",
          "The host name that the command sees. It resolves to loopback.");

// --- Command ----------------------------------------------------------------

ABSL_FLAG(bool, hermetic, false,
          "Show the command as little as possible of who runs it: fresh /tmp "
          "and /var/tmp, as with --tmp; HOME, TMPDIR and TEST_TMPDIR in there; "
          "TZ=UTC and the locale C.UTF-8; no variables of proxies, agents, "
          "displays, credentials or personal taste; umask 022. What else "
          "differs from host to host has flags of its own: --default-path, "
          "--hostname, --map-user.");
ABSL_FLAG(bool, clean_env, false,
          "Start the command with an empty environment, but for what --setenv "
          "and --hermetic add.");
ABSL_FLAG(Values, setenv, {}, "Set an environment variable of the command.");
ABSL_FLAG(Values, unsetenv, {},
          "Take an environment variable away from the command.");
ABSL_FLAG(Values, keep_fd, {},
          "Leave file descriptor N open for the command. Without it, only "
          "standard input, output and error are. Directories are refused: they "
          "are a way around the read-only view.");
ABSL_FLAG(bool, default_path, false,
          "Set PATH to /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, "
          "/sbin and /bin, without what the caller has in the home directory. "
          "The command itself is looked for there as well.");
ABSL_FLAG(bool, map_root, false,
          "Let the command believe that it is root, for programs that insist. "
          "It gets no power from that.");
ABSL_FLAG(UserChoice, map_user, {},
          "Let the command see UID, and GID, as its own, whoever runs it. "
          "Files keep their owners, so what belongs to the caller is shown as "
          "UID's, and everything else as that of nobody.");

// --- Limits -----------------------------------------------------------------

ABSL_FLAG(Time, timeout, {},
          "End the command after this time: SIGTERM to all its processes, and "
          "SIGKILL after --grace. The exit code is 124 then.");
ABSL_FLAG(Time, grace, {},
          "How long after --timeout's SIGTERM whatever is left is killed; 5s "
          "unless given.");
ABSL_FLAG(Time, cpu_time, {},
          "CPU time of each process, rounded up to whole seconds.");
ABSL_FLAG(Size, memory, {},
          "Memory of all processes together. Needs a cgroup that you may "
          "write; --check tells.");
ABSL_FLAG(Size, address_space, {},
          "Address space of each process (ulimit -v). Sanitizers need more "
          "than there is.");
ABSL_FLAG(Count, processes, {},
          "Processes and threads at any one time, all together. Root needs a "
          "cgroup for it.");
ABSL_FLAG(Size, file_size, {}, "Size of each file that is written.");
ABSL_FLAG(Count, open_files, {}, "Open file descriptors of each process.");
ABSL_FLAG(Size, core_size, {},
          "Size of a core file. Without it there are none, because the host "
          "may hand them to a program outside.");

// --- Violations -------------------------------------------------------------

ABSL_FLAG(ViolationsChoice, violations, {},
          "What becomes of attempts to reach out of the sandbox, which fail in "
          "any case: 'off', nobody watches (the default); 'report', they are "
          "listed on standard error at the end; 'enforce', the same, and the "
          "exit code of a command that succeeded is 122.");
ABSL_FLAG(Values, allow, {},
          "Don't report attempts on TARGET that violate RULE. They fail all "
          "the same. In TARGET, '*' stands for anything, '?' for one "
          "character.");
ABSL_FLAG(Values, report, {},
          "Write violations to FILE. FORMAT is json (one object a line, the "
          "default), junit, sarif, github (workflow commands), gitlab (code "
          "quality) or html.");
ABSL_FLAG(std::string, baseline, "",
          "Leave out the violations that FILE lists: they are known, and only "
          "new ones are reported and count. Says which of FILE are gone.");
ABSL_FLAG(bool, update_baseline, false,
          "Write the violations of this run to the file of --baseline, in "
          "place of what it lists. None counts in this run.");
ABSL_FLAG(LearnChoice, learn, {},
          "Run the command, without the argument that names trees, and print "
          "the fewest flags with which no violation would have been reported, "
          "behind those of these kinds that were given: --tmp, --hermetic, "
          "--writable and --allow. Nothing in /etc, in a home directory or "
          "that directory itself is made writable, but what lies in the "
          "working directory; with --learn=permit, whatever the caller may "
          "write to is.");
ABSL_FLAG(std::string, name, "",
          "What reports call the test that the command is, where it doesn't "
          "name its tests itself.");

// --- Variations -------------------------------------------------------------

ABSL_FLAG(
    std::string, vary, "",
    "Run the command twice as it is, and once more in a world that "
    "differs in all of LIST: names, separated by commas, that --vary=help "
    "explains, or 'all', the default. If a result differs, find out by "
    "which of them. Standard output names each such variation, and what "
    "it changes; what the command writes is not shown.");
ABSL_FLAG(Values, vary_compare, {},
          "With --vary, compare the file, or the tree, that the command makes "
          "at PATH as well.");
ABSL_FLAG(std::string, world, "",
          "Run the command once, where all of LIST holds, see --vary.");

// --- Reports ----------------------------------------------------------------

ABSL_FLAG(bool, verbose, false,
          "Say on standard error how long each step of the set-up took, and "
          "how the command ended.");
ABSL_FLAG(LeftoversChoice, leftovers, {},
          "What processes mean that were still running when the command had "
          "ended, and were killed: 'note', they are named on standard error "
          "(the default); 'fail', the same, and the exit code of a command "
          "that succeeded is 120. So it is, without namespaces, for files that "
          "it has left in /tmp and its kind.");
ABSL_FLAG(bool, quiet_leftovers, false,
          "Don't name the processes that were still running when the command "
          "had ended, and were killed.");
ABSL_FLAG(Descriptor, status_fd, {},
          "At the end, write one line to file descriptor N, a JSON object that "
          "says how the command ended, how long it took, what it used and what "
          "it left behind, or why there was no sandbox.");
ABSL_FLAG(std::string, inputs, "",
          "Write to FILE, as one JSON object, what the command read of the "
          "host: files opened for reading, paths that led to nothing, "
          "directories listed, symbolic links read and programs executed. "
          "Names are relative to the working directory where they lie in it.");

// --- About ------------------------------------------------------------------

ABSL_FLAG(Values, flagfile, {},
          "Take the flags in FILE as if they stood here, one a line. Empty "
          "lines and those that start with '#' are left out.");
ABSL_FLAG(bool, check, false,
          "Say what this host supports, and what would mend what it refuses. "
          "Exits with 0 if sandboxes can be made, else with 1.");
ABSL_FLAG(bool, help, false, "Show this help.");
ABSL_FLAG(bool, version, false, "Show the version.");

namespace encapsulate::tool {
namespace {

constexpr FlagEntry kFlags[] = {
    {"isolation", Section::kIsolation, "LEVEL", false, Completion::kChoice,
     "namespaces landlock process best"},
    {"writable", Section::kFilesystem, "PATH", true, Completion::kPath},
    {"overlay", Section::kFilesystem, "PATH", true, Completion::kDirectory},
    {"overlay_changes", Section::kFilesystem, ""},
    {"tmpfs", Section::kFilesystem, "PATH[:SIZE]", true,
     Completion::kDirectory},
    {"tmp", Section::kFilesystem, ""},
    {"hide", Section::kFilesystem, "PATH", true, Completion::kPath},
    {"show", Section::kFilesystem, "PATH", true, Completion::kPath},
    {"chdir", Section::kFilesystem, "PATH", false, Completion::kDirectory},
    {"network", Section::kNetwork, "KIND", false, Completion::kChoice,
     "loopback none host"},
    {"hostname", Section::kNetwork, "NAME"},
    {"hermetic", Section::kCommand, ""},
    {"clean_env", Section::kCommand, ""},
    {"setenv", Section::kCommand, "NAME=VALUE", true},
    {"unsetenv", Section::kCommand, "NAME", true},
    {"keep_fd", Section::kCommand, "N", true},
    {"default_path", Section::kCommand, ""},
    {"map_root", Section::kCommand, ""},
    {"map_user", Section::kCommand, "UID[:GID]"},
    {"timeout", Section::kLimits, "TIME"},
    {"grace", Section::kLimits, "TIME"},
    {"cpu_time", Section::kLimits, "TIME"},
    {"memory", Section::kLimits, "SIZE"},
    {"address_space", Section::kLimits, "SIZE"},
    {"processes", Section::kLimits, "N"},
    {"file_size", Section::kLimits, "SIZE"},
    {"open_files", Section::kLimits, "N"},
    {"core_size", Section::kLimits, "SIZE"},
    {"violations", Section::kViolations, "MODE", false, Completion::kChoice,
     "off report enforce"},
    {"allow", Section::kViolations, "RULE:TARGET", true},
    {"report", Section::kViolations, "[FORMAT:]FILE", true, Completion::kPath},
    {"baseline", Section::kViolations, "FILE", false, Completion::kPath},
    {"update_baseline", Section::kViolations, ""},
    {"learn", Section::kViolations, "permit", false, Completion::kChoice,
     "permit", "true"},
    {"name", Section::kViolations, "NAME"},
    {"vary", Section::kVariations, "LIST", false, Completion::kNothing, "",
     "all"},
    {"vary_compare", Section::kVariations, "PATH", true, Completion::kPath},
    {"world", Section::kVariations, "LIST"},
    {"verbose", Section::kReports, ""},
    {"leftovers", Section::kReports, "MODE", false, Completion::kChoice,
     "note fail"},
    {"quiet_leftovers", Section::kReports, ""},
    {"status_fd", Section::kReports, "N"},
    {"inputs", Section::kReports, "FILE", false, Completion::kPath},
    {"flagfile", Section::kAbout, "FILE", true, Completion::kPath},
    {"check", Section::kAbout, ""},
    {"help", Section::kAbout, ""},
    {"version", Section::kAbout, ""},
};

std::string Underscored(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"-", "_"}});
}

std::string Dashed(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"_", "-"}});
}

}  // namespace

absl::string_view TitleOf(Section section) {
  switch (section) {
    case Section::kIsolation:
      return "Isolation";
    case Section::kFilesystem:
      return "Filesystem";
    case Section::kNetwork:
      return "Network";
    case Section::kCommand:
      return "Command";
    case Section::kLimits:
      return "Limits";
    case Section::kViolations:
      return "Violations";
    case Section::kVariations:
      return "Variations";
    case Section::kReports:
      return "Reports";
    case Section::kAbout:
      return "About";
  }
  return "";
}

absl::Span<const FlagEntry> AllFlags() { return kFlags; }

const FlagEntry* FindFlag(absl::string_view name) {
  const std::string wanted = Underscored(name);
  for (const FlagEntry& flag : kFlags) {
    if (flag.name == wanted) return &flag;
  }
  return nullptr;
}

std::string Spelling(const FlagEntry& flag) {
  return absl::StrCat("--", Dashed(flag.name));
}

std::string Usage(const FlagEntry& flag) {
  if (flag.value.empty()) return Spelling(flag);
  return flag.implied.empty()
             ? absl::StrCat(Spelling(flag), "=", flag.value)
             : absl::StrCat(Spelling(flag), "[=", flag.value, "]");
}

std::string HelpOf(const FlagEntry& flag) {
  return absl::FindCommandLineFlag(flag.name)->Help();
}

bool SetFlag(const FlagEntry& flag, absl::string_view value,
             std::string* error) {
  std::string message;
  if (absl::FindCommandLineFlag(flag.name)->ParseFrom(value, &message)) {
    return true;
  }
  // Abseil puts a sentence of its own before the type's.
  const std::string prefix =
      absl::StrCat(" specified for flag '", flag.name, "'; ");
  const size_t at = message.rfind(prefix);
  *error =
      at == std::string::npos ? message : message.substr(at + prefix.size());
  return false;
}

std::string NearestFlag(absl::string_view name) {
  std::vector<absl::string_view> names;
  for (const FlagEntry& flag : kFlags) names.push_back(flag.name);
  const absl::optional<size_t> nearest = NearestWord(Underscored(name), names);
  return nearest.has_value() ? Spelling(kFlags[*nearest]) : "";
}

}  // namespace encapsulate::tool
