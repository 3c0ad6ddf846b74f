// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violation_text.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "encapsulate/allow_pattern.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/plan/syscall_table.h"
#include "encapsulate/symbolize.h"

namespace encapsulate {
namespace {

constexpr size_t kMaxFrames = 8;

// --- What was tried ---------------------------------------------------------

CallVerb VerbOf(const Violation& violation) {
  const WatchedCall* const call = FindWatchedCall(violation.call);
  return call != nullptr ? call->verb : CallVerb::kOther;
}

// What a write does to its target, in words before and after that.
struct VerbWords {
  absl::string_view before;
  absl::string_view after;
  // Whether the directory changes that holds the target.
  bool changes_directory = false;
};

VerbWords WordsOf(CallVerb verb) {
  switch (verb) {
    case CallVerb::kOpen:
      return {"open", "for writing"};
    case CallVerb::kCreate:
      return {"create", "", true};
    case CallVerb::kMakeDirectory:
      return {"make the directory", "", true};
    case CallVerb::kMakeNode:
      return {"make the node", "", true};
    case CallVerb::kRemove:
      return {"remove", "", true};
    case CallVerb::kRemoveDirectory:
      return {"remove the directory", "", true};
    case CallVerb::kRename:
      return {"rename from or to", "", true};
    case CallVerb::kLink:
      return {"make the link", "", true};
    case CallVerb::kSymlink:
      return {"make the symbolic link", "", true};
    case CallVerb::kBind:
      return {"make the socket", "", true};
    case CallVerb::kChangeMode:
      return {"change the mode of", ""};
    case CallVerb::kChangeOwner:
      return {"change the owner of", ""};
    case CallVerb::kChangeTimes:
      return {"change the times of", ""};
    case CallVerb::kTruncate:
      return {"truncate", ""};
    case CallVerb::kChangeAttributes:
      return {"change the attributes of", ""};
    case CallVerb::kOther:
    case CallVerb::kConnect:
    case CallVerb::kSend:
    case CallVerb::kJoin:
    case CallVerb::kMount:
    case CallVerb::kExecute:
    case CallVerb::kReadLink:
    case CallVerb::kList:
      break;
  }
  return {"change", ""};
}

std::string DescribeWrite(const Violation& violation) {
  const VerbWords words = WordsOf(VerbOf(violation));
  return absl::StrCat(words.before, " ", Quote(violation.target),
                      words.after.empty() ? "" : " ", words.after);
}

std::string TreeToWrite(const Violation& violation) {
  const std::string& target = violation.target;
  // The kernel's own files know no writable trees, and `/` can't be one.
  for (const char* tree : {"/proc", "/sys"}) {
    if (IsWithin(target, tree)) return "";
  }
  if (!absl::StartsWith(target, "/")) return "";
  // A file without a name is made in its target.
  const bool changes_directory =
      WordsOf(VerbOf(violation)).changes_directory ||
      (absl::StrContains(violation.arguments, "O_CREAT") &&
       !absl::StrContains(violation.arguments, "O_TMPFILE"));
  const std::string tree =
      changes_directory ? ParentOf(target) : violation.target;
  return tree == "/" ? "" : tree;
}

// --- Lines ------------------------------------------------------------------

std::string Literal(absl::string_view text) {
  return absl::StrCat("\"", EscapeForCode(text), "\"");
}

// Rule::kHostSocket for "host-socket".
std::string Constant(Rule rule) {
  std::string constant = "encapsulate::Rule::k";
  bool upper = true;
  for (const char* c = RuleName(rule); *c != '\0'; ++c) {
    if (*c == '-') {
      upper = true;
      continue;
    }
    constant +=
        upper ? absl::ascii_toupper(static_cast<unsigned char>(*c)) : *c;
    upper = false;
  }
  return constant;
}

std::string WritableLine(const std::string& tree, Language language) {
  if (tree.empty()) return "";
  if (language == Language::kFlags) {
    return absl::StrCat("--writable=", ShellWord(tree));
  }
  return absl::StrCat("options.writable.push_back(", Literal(tree), ");");
}

// --- Stacks -----------------------------------------------------------------

// Between the code and the kernel, or around the code.
bool IsRuntime(const Frame& frame) {
  const size_t slash = frame.object.rfind('/');
  const absl::string_view object =
      slash == std::string::npos
          ? absl::string_view(frame.object)
          : absl::string_view(frame.object).substr(slash + 1);
  for (const char* library :
       {"libc.", "libc-", "libpthread", "ld-", "libstdc++.", "libc++.",
        "libc++abi.", "libgcc_s.", "linux-vdso", "[vdso]", "libasan.",
        "libtsan.", "libubsan."}) {
    if (absl::StartsWith(object, library)) return true;
  }
  for (const char* function : {"std::", "__gnu_cxx::", "_start", "__libc_start",
                               "void std::", "decltype"}) {
    if (absl::StartsWith(frame.function, function)) return true;
  }
  // Sanitizers' functions come between, and may be part of the program.
  return absl::StartsWith(frame.file, "/usr/include/c++/") ||
         absl::StrContains(frame.file, "/libsanitizer/") ||
         absl::StrContains(frame.file, "/compiler-rt/lib/");
}

bool IsOneOf(const std::vector<std::string>& functions, const Frame& frame) {
  return absl::c_any_of(functions, [&](const std::string& function) {
    return absl::StartsWith(frame.function, function);
  });
}

// Places in the stack, of which FramesToShow() is made.
std::vector<size_t> PlacesToShow(const std::vector<Frame>& stack,
                                 const FramesLeftOut& left_out) {
  // What has no line in a program that has lines is a library in it.
  std::set<std::string> with_lines;
  for (const Frame& frame : stack) {
    if (!frame.file.empty()) with_lines.insert(frame.object);
  }
  std::vector<size_t> places;
  for (size_t i = 0; i < stack.size(); ++i) {
    const Frame& frame = stack[i];
    if (IsOneOf(left_out.callers, frame)) break;
    if (frame.function.empty() || IsRuntime(frame) ||
        IsOneOf(left_out.functions, frame)) {
      continue;
    }
    if (frame.file.empty() && with_lines.count(frame.object) != 0) continue;
    places.push_back(i);
    if (places.size() == kMaxFrames) break;
  }
  return places;
}

void AppendPart(absl::string_view label, absl::string_view text,
                std::string* out) {
  if (text.empty()) return;
  absl::StrAppend(out, "\n  ", PartLine(label, PrintableLines(text)));
}

}  // namespace

std::string ShellWord(const std::string& text) {
  const bool plain = !text.empty() && absl::c_all_of(text, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("/._-+=:,@%", absl::string_view(&c, 1));
  });
  if (plain) return text;
  if (Printable(text) != text) {
    // As bash, zsh and ksh read it.
    return absl::StrCat("$'", EscapeForCode(text), "'");
  }
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string DescribeAttempt(const Violation& violation) {
  const std::string& call = violation.call;
  const std::string& target = violation.target;
  switch (violation.rule) {
    case Rule::kWrite:
      return DescribeWrite(violation);
    case Rule::kNetwork:
      switch (VerbOf(violation)) {
        case CallVerb::kBind:
          return absl::StrCat("bind to ", target);
        case CallVerb::kSend:
          return absl::StrCat("send to ", target);
        case CallVerb::kJoin:
          return absl::StrCat("join the multicast group ", target);
        default:
          return absl::StrCat("connect to ", target);
      }
    case Rule::kName:
      return absl::StrCat("look up the name ", Quote(target));
    case Rule::kHostSocket:
      return absl::StrCat("reach the host's socket ", Quote(target));
    case Rule::kFifo:
      return absl::StrCat("write to the host's FIFO ", Quote(target));
    case Rule::kDevice:
      return absl::StrCat(VerbOf(violation) == CallVerb::kMakeNode
                              ? "make the device "
                              : "open the device ",
                          Quote(target));
    case Rule::kSocketFamily:
      return absl::StrCat("make a socket of the family ", target);
    case Rule::kSignal:
      return absl::StrCat("send a signal to ", target, ", which isn't inside");
    case Rule::kTrace:
      return absl::StrCat("look into ", target, ", which isn't inside");
    case Rule::kPrivilege:
      if (call == "socket") {
        return absl::StrCat("make a socket that takes privileges (", target,
                            ")");
      }
      return absl::StrCat("use the privileged call ", call,
                          target == call ? "" : " on ",
                          target == call ? "" : Quote(target));
    case Rule::kKeyring:
      return absl::StrCat("use the kernel's keys by ", call);
    case Rule::kTerminal:
      return absl::StrCat("type into the terminal (", target, ")");
    case Rule::kIoUring:
      return absl::StrCat("use io_uring by ", call);
  }
  return absl::StrCat("call ", call);
}

std::string DescribeError(const Violation& violation) {
  if (violation.rule == Rule::kName) return "no such name (NXDOMAIN)";
  if (violation.error == 0) return "refused";
  return absl::StrCat(violation.error_predicted ? "probably " : "",
                      Reason(violation.error));
}

std::string DescribeInstead(const Violation& violation,
                            const TextOptions& options) {
  // The tree that has most of the path in common.
  std::string nearest;
  size_t most = 0;
  for (const std::string& tree : options.writable) {
    const size_t common = static_cast<size_t>(
        std::mismatch(tree.begin(), tree.end(), violation.target.begin(),
                      violation.target.end())
            .first -
        tree.begin());
    if (nearest.empty() || common > most) {
      nearest = tree;
      most = common;
    }
  }
  const auto in_tree = [&](absl::string_view what) {
    return nearest.empty() ? "" : absl::StrCat(what, " below ", Quote(nearest));
  };
  switch (violation.rule) {
    case Rule::kWrite:
      if (options.working_directory.empty() ||
          !IsWithin(violation.target, options.working_directory)) {
        return in_tree("write");
      }
      return absl::StrCat(in_tree("write"), nearest.empty() ? "" : "; or ",
                          "let it write to ", Quote(options.working_directory),
                          " and throw that away: "
                          "--encapsulate_working_directory=overlay, "
                          "TestOptions::working_directory");
    case Rule::kNetwork:
      return VerbOf(violation) == CallVerb::kJoin
                 ? "isolation level namespaces, which has a network of its own"
                 : "a server inside, at 127.0.0.1 or ::1";
    case Rule::kName:
      return "localhost, or the address 127.0.0.1";
    case Rule::kHostSocket:
      return in_tree("a server inside, with a socket");
    case Rule::kFifo:
      return in_tree("a FIFO made inside,");
    case Rule::kDevice:
      return "/dev/null, /dev/zero, /dev/full, /dev/random, /dev/tty";
    case Rule::kSocketFamily:
      return "AF_UNIX, AF_INET, AF_INET6, AF_NETLINK";
    case Rule::kSignal:
    case Rule::kTrace:
      return "a process that was started inside";
    case Rule::kPrivilege:
      if (violation.call == "socket") {
        return "a stream or datagram socket (SOCK_STREAM, SOCK_DGRAM)";
      }
      return VerbOf(violation) == CallVerb::kMount
                 ? "a user namespace made inside (unshare --user)"
                 : "";
    case Rule::kKeyring:
      return in_tree("a file");
    case Rule::kTerminal:
      return "a terminal made inside (posix_openpt)";
    case Rule::kIoUring:
      return "read, write and epoll";
  }
  return "";
}

namespace {

// A socket whose name is the network's.
bool IsAbstract(const Violation& violation) {
  return violation.rule == Rule::kHostSocket &&
         absl::StartsWith(violation.target, "@");
}

// What the host hasn't either can't be made writable.
bool CanBeNamed(const Violation& violation) {
  struct stat info;
  return !IsAbstract(violation) &&
         (violation.error != ENOENT ||
          lstat(violation.target.c_str(), &info) == 0);
}

}  // namespace

bool OpensTarget(const Violation& violation) {
  return VerbOf(violation) == CallVerb::kOpen;
}

std::string TreeToPermit(const Violation& violation) {
  switch (violation.rule) {
    case Rule::kWrite:
      return TreeToWrite(violation);
    case Rule::kDevice:
      return VerbOf(violation) == CallVerb::kMakeNode ? "" : violation.target;
    case Rule::kHostSocket:
      return CanBeNamed(violation) ? violation.target : "";
    case Rule::kFifo:
      return violation.target;
    default:
      return "";
  }
}

std::string PermitLine(const Violation& violation, Language language) {
  if (violation.rule == Rule::kNetwork || violation.rule == Rule::kName ||
      IsAbstract(violation)) {
    return language == Language::kFlags
               ? "--network=host"
               : "options.network = encapsulate::Network::kHost;";
  }
  return WritableLine(TreeToPermit(violation), language);
}

std::string IgnoreLine(const Violation& violation, Language language) {
  const std::string target = AllowPattern(violation.rule, violation.target);
  if (language == Language::kFlags) {
    return absl::StrCat(
        "--allow=",
        ShellWord(absl::StrCat(RuleName(violation.rule), ":", target)));
  }
  return absl::StrCat("options.allowed.push_back({", Constant(violation.rule),
                      ", ", Literal(target), ", \"why\"});");
}

std::string PartLine(absl::string_view label, absl::string_view text) {
  return absl::StrFormat("%-7s  %s", label, text);
}

std::string DescribeFrame(const Frame& frame) {
  const std::string function = frame.function.empty()
                                   ? absl::StrFormat("0x%x", frame.offset)
                                   : frame.function;
  if (!frame.file.empty()) {
    return Printable(
        absl::StrCat(function, " at ", frame.file, ":", frame.line));
  }
  return Printable(frame.object.empty()
                       ? function
                       : absl::StrCat(function, " in ", frame.object));
}

std::vector<Frame> FramesToShow(const Violation& violation,
                                const FramesLeftOut& left_out) {
  std::vector<Frame> frames;
  for (size_t place : PlacesToShow(violation.stack, left_out)) {
    frames.push_back(violation.stack[place]);
  }
  return frames;
}

const Frame* OwnFrame(const Violation& violation,
                      const FramesLeftOut& left_out) {
  for (size_t place : PlacesToShow(violation.stack, left_out)) {
    const Frame& frame = violation.stack[place];
    if (!frame.file.empty() && !absl::StartsWith(frame.file, "/usr/")) {
      return &frame;
    }
  }
  return nullptr;
}

std::string DescribeViolation(const Violation& violation,
                              const TextOptions& options) {
  std::string text =
      absl::StrCat("tried to ", Printable(DescribeAttempt(violation)), ": ",
                   DescribeError(violation));
  AppendPart(
      "call",
      absl::StrCat(violation.call, "(", Printable(violation.arguments), ")",
                   violation.count > 1
                       ? absl::StrCat(", ", violation.count, " times")
                       : ""),
      &text);
  AppendPart("from",
             absl::StrJoin(FramesToShow(violation, options.left_out),
                           absl::StrCat("\n  ", PartLine("", "")),
                           [&](std::string* out, Frame frame) {
                             if (frame.object == options.program) {
                               frame.object.clear();
                             }
                             absl::StrAppend(out, DescribeFrame(frame));
                           }),
             &text);
  AppendPart("lines", WhyNoLines(violation), &text);
  if (!violation.test.empty()) {
    AppendPart("test", Printable(violation.test), &text);
  }
  if (violation.program != options.program) {
    AppendPart(
        "program",
        absl::StrCat(Printable(violation.program), ", pid ", violation.pid),
        &text);
  }
  AppendPart("rule",
             absl::StrCat(RuleName(violation.rule), ": ",
                          DescribeRule(violation.rule)),
             &text);
  AppendPart("instead", DescribeInstead(violation, options), &text);
  AppendPart("permit", PermitLine(violation, options.language), &text);
  AppendPart("ignore", IgnoreLine(violation, options.language), &text);
  return text;
}

}  // namespace encapsulate
