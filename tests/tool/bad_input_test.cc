// SPDX-License-Identifier: Apache-2.0
//
// Wrong command lines: each has one exact message and exit code, the command
// doesn't run, and nothing is left behind.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tool.h"

namespace encapsulate::tool {
namespace {

// "@" stands for a directory that holds: link (to nowhere), loop (to itself),
// file, plain (a file that can't be executed), script (whose interpreter is
// missing), below (whose interpreter is in a file) and dir.
struct Case {
  const char* name;
  std::vector<std::string> arguments;
  std::string message;
  int exit_code = 125;
  std::function<void()> prepare = nullptr;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::string Long(size_t size) { return std::string(size, 'x'); }

const Case kCases[] = {
    // --- The line as a whole
    {"NoArguments",
     {},
     "there is no command to run; hint: encapsulate 'writable|trees' command "
     "args..., see encapsulate --help"},
    {"OnlyDashes",
     {"--"},
     "there is no command to run; hint: encapsulate 'writable|trees' "
     "command args..., see encapsulate --help"},
    {"OnlyAFlag",
     {"--tmp"},
     "there is no command to run; hint: encapsulate 'writable|trees' "
     "command args..., see encapsulate --help"},
    {"OnlyTrees",
     {"@"},
     "there is no command after the writable trees '@'; hint: "
     "encapsulate 'writable|trees' command args..."},
    {"OnlyNoTrees",
     {""},
     "there is no command after the writable trees ''; hint: "
     "encapsulate 'writable|trees' command args..."},
    {"OnlyACommandWithAPath",
     {"/bin/true"},
     "there is no command after the writable trees '/bin/true'; hint: if it is "
     "the command, for no writable trees: encapsulate '' /bin/true"},
    {"OnlyACommandThatIsADirectoryAsWell",
     {"true"},
     "there is no command after the writable trees 'true'; hint: if it is the "
     "command, for no writable trees: encapsulate '' true",
     125,
     [] { MustWork(mkdir("true", 0700), "mkdir"); }},
    {"TreesAndDashesOnly",
     {"@", "--"},
     "there is no command after the writable trees '@'; hint: "
     "encapsulate 'writable|trees' command args..."},
    {"CommandInPlaceOfTrees",
     {"ls", "-l"},
     "there is no tree 'ls' to make writable; hint: the first "
     "argument names the writable trees, for none: encapsulate '' ls "
     "..."},
    {"CheckWithACommand",
     {"--check", "ls"},
     "--check takes no command, but there is 'ls'"},
    {"OnlyADash",
     {"-", "true"},
     "there is no tree '-' to make writable; hint: the first argument "
     "names the writable trees, for none: encapsulate '' - ..."},
    // --- Flags
    {"UnknownFlag",
     {"--xyzzy", "", "true"},
     "there is no flag '--xyzzy'; hint: encapsulate --help lists them"},
    {"UnknownFlagWithValue",
     {"--xyzzy=1", "", "true"},
     "there is no flag '--xyzzy'; hint: encapsulate --help lists them"},
    {"MisspeltFlag",
     {"--hermitic", "", "true"},
     "there is no flag '--hermitic'; hint: did you mean --hermetic?"},
    {"ShortFlag",
     {"-x", "", "true"},
     "there is no flag '-x'; hint: encapsulate --help lists them"},
    {"FlagFileMissing",
     {"--flagfile=@/missing", "", "true"},
     "cannot read '@/missing': no such file or directory (ENOENT)"},
    {"FlagFileIsADirectory",
     {"--flagfile=@/dir", "", "true"},
     "cannot read '@/dir': is a directory (EISDIR)"},
    {"FlagFileWithoutEnd",
     {"--flagfile=/dev/zero", "", "true"},
     "cannot read '/dev/zero': it has more than 1048576 bytes"},
    {"FlagFileWithoutFlags",
     {"--flagfile=/etc/passwd", "", "true"},
     "line 1 of '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash' is no flag"},
    {"LeftoversQuietAndFail",
     {"--leftovers=fail", "--quiet-leftovers", "", "true"},
     "cannot fail for leftovers without a word; hint: leave out "
     "--leftovers=fail or --quiet-leftovers"},
    {"LeftoversJunk",
     {"--leftovers=quiet", "", "true"},
     "cannot use --leftovers='quiet': must be note or fail"},
    {"LearnJunk",
     {"--learn=all", "true"},
     "cannot use --learn='all': takes no value but permit, true or false"},
    {"MapUserJunk",
     {"--map-user=me", "", "true"},
     "cannot use --map-user='me': not UID or UID:GID, of numbers from 0 to "
     "4294967294"},
    {"MapUserAndRoot",
     {"--map-user=1", "--map-root", "", "true"},
     "cannot show both root and another user; hint: leave out --map-root or "
     "--map-user"},
    {"ShowMissing",
     {"--show=@/missing", "", "true"},
     "cannot show '@/missing': no such file or directory (ENOENT)"},
    {"ShowTheRoot",
     {"--show=/", "", "true"},
     "cannot show '/': it is the root; hint: name the directories below it"},
    {"ShowAndHide",
     {"--show=@/dir", "--hide=@/dir", "", "true"},
     "cannot show '@/dir': it is also asked to hide '@/dir'"},
    {"NewlineInAFlag",
     {"--a\nb", "", "true"},
     "there is no flag '--a\\nb'; hint: encapsulate --help lists them"},
    {"ValueMissing",
     {"--timeout"},
     "--timeout needs a value; hint: --timeout=TIME"},
    {"ValueEmpty",
     {"--chdir=", "", "true"},
     "cannot use --chdir='': must not be empty"},
    {"SwitchWithAValue",
     {"--tmp=maybe", "", "true"},
     "cannot use --tmp='maybe': takes no value but true or false"},
    {"NetworkUnknown",
     {"--network=bridge", "", "true"},
     "cannot use --network='bridge': must be loopback, none or host"},
    {"OverlayChangesOfNothing",
     {"--overlay-changes", "", "true"},
     "cannot list what overlays caught: there is none; hint: name "
     "one, --overlay=PATH"},
    {"SetenvWithoutAValue",
     {"--setenv=A", "", "true"},
     "cannot use --setenv='A': not NAME=VALUE"},
    {"SetenvWithoutAName",
     {"--setenv==1", "", "true"},
     "cannot use --setenv='=1': not NAME=VALUE"},
    {"UnsetenvWithAValue",
     {"--unsetenv=A=1", "", "true"},
     "cannot use --unsetenv='A=1': a name holds no '='"},
    {"HostnameTooLong",
     {"--hostname=" + Long(65), "", "true"},
     "cannot set host name '" + Long(65) + "': more than 64 bytes"},
    {"HostnameThatWouldBeALineOfHosts",
     {"--hostname=a\n192.0.2.1 b", "", "true"},
     "cannot set host name 'a\\n192.0.2.1 b': it is made of letters, digits, "
     "'-', '_' and '.' only"},
    {"HostnameEmpty",
     {"--hostname=", "", "true"},
     "cannot use --hostname='': must not be empty"},
    // --- Violations
    {"ViolationsUnknown",
     {"--violations=deny", "", "true"},
     "cannot use --violations='deny': must be off, report or enforce"},
    {"AllowWithoutARule",
     {"--allow=/usr", "", "true"},
     "cannot use --allow='/usr': not RULE:TARGET, such as "
     "write:/usr/share/*"},
    {"AllowWithoutATarget",
     {"--allow=write:", "", "true"},
     "cannot use --allow='write:': not RULE:TARGET, such as "
     "write:/usr/share/*"},
    {"AllowOfAnUnknownRule",
     {"--allow=writing:/usr", "", "true"},
     "cannot use --allow='writing:/usr': there is no rule 'writing'; hint: "
     "one of write, network, name, host-socket, fifo, device, socket-family, "
     "signal, trace, privilege, keyring, terminal, io-uring"},
    {"ReportWithoutAFile",
     {"--violations=report", "--report=html:", "", "true"},
     "cannot write --report=html:: it names no file; hint: give it as "
     "FORMAT:FILE, where FORMAT is json, junit, sarif, github, gitlab, html"},
    {"BaselineUnwatched",
     {"--baseline=b", "", "true"},
     "cannot use --baseline: nobody watches; hint: add --violations=enforce"},
    {"UpdateOfNoBaseline",
     {"--violations=enforce", "--update-baseline", "", "true"},
     "cannot use --update-baseline: no file is given; hint: add "
     "--baseline=FILE"},
    {"BaselineMissing",
     {"--violations=enforce", "--baseline=@/missing", "", "true"},
     "cannot read the baseline '@/missing': no such file or directory "
     "(ENOENT); hint: --update-baseline makes one"},
    {"BaselineIsADirectory",
     {"--violations=enforce", "--baseline=@/dir", "", "true"},
     "cannot read the baseline '@/dir': is a directory (EISDIR)"},
    {"BaselineWithoutEnd",
     {"--violations=enforce", "--baseline=/dev/zero", "--update-baseline", "",
      "true"},
     "cannot read the baseline '/dev/zero': it is no regular file"},
    {"BaselineIsAnotherFile",
     {"--violations=enforce", "--baseline=/bin/true", "", "true"},
     "cannot read the baseline '/bin/true': line 1 isn't RULE TARGET PROGRAM "
     "TEST"},
    {"BaselineInAMissingDirectory",
     {"--violations=enforce", "--baseline=@/missing/b", "--update-baseline", "",
      "true"},
     "cannot write the baseline '@/missing/b': no such file or directory "
     "(ENOENT)"},
    {"ReportOfNothing",
     {"--report=report", "", "true"},
     "cannot write --report: nobody watches; hint: add --violations=report"},
    {"ReportToNowhere",
     {"--violations=report", "--report=@/missing/report", "", "true"},
     "cannot write the report '@/missing/report': no such file or directory "
     "(ENOENT)"},
    {"ReportToADirectory",
     {"--violations=report", "--report=@/dir", "", "true"},
     "cannot write the report '@/dir': is a directory (EISDIR)"},
    {"InputsToNowhere",
     {"--inputs=@/missing/inputs", "", "true"},
     "cannot write the inputs '@/missing/inputs': no such file or directory "
     "(ENOENT)"},
    {"InputsToADirectory",
     {"--inputs=@/dir", "", "true"},
     "cannot write the inputs '@/dir': is a directory (EISDIR)"},
    {"InputsBelowAFile",
     {"--inputs=@/file/inputs", "", "true"},
     "cannot write the inputs '@/file/inputs': not a directory (ENOTDIR)"},
    {"InputsToALoop",
     {"--inputs=@/loop", "", "true"},
     "cannot write the inputs '@/loop': too many levels of symbolic links "
     "(ELOOP)"},
    {"InputsWithoutAFile",
     {"--inputs=", "", "true"},
     "cannot use --inputs='': must not be empty"},
    {"InputsOfManyRuns",
     {"--inputs=@/inputs", "--vary", "", "true"},
     "cannot use --vary with --inputs; hint: leave out --inputs"},
    {"LearnAndEnforce",
     {"--learn", "--violations=enforce", "true"},
     "cannot enforce what is still to be learned; hint: leave out "
     "--violations=enforce or --learn"},
    {"LearnWhileNobodyWatches",
     {"--violations=off", "--learn", "true"},
     "cannot learn while nobody watches; hint: leave out --violations=off or "
     "--learn"},
    {"LearnWithTrees",
     {"--learn", ".", "true"},
     "--learn takes no writable trees, but there is '.'; hint: encapsulate "
     "--learn true"},
    {"LearnWithNoTrees",
     {"--learn", "", "true", "x"},
     "--learn takes no writable trees, but there is ''; hint: encapsulate "
     "--learn true ..."},
    {"LearnWithTwoTrees",
     {"--learn", "@/dir|@", "true"},
     "--learn takes no writable trees, but there is '@/dir|@'; hint: "
     "encapsulate --learn true"},
    {"LearnWithoutACommand",
     {"--learn"},
     "there is no command to run; hint: encapsulate 'writable|trees' command "
     "args..., see encapsulate --help"},
    // --- Limits
    {"TimeoutZero",
     {"--timeout=0", "", "true"},
     "cannot limit wall time to 0 or less; hint: leave the limit out"},
    {"TimeoutNegative",
     {"--timeout=-1", "", "true"},
     "cannot use --timeout='-1': must not be negative"},
    {"TimeoutJunk",
     {"--timeout=soon", "", "true"},
     "cannot use --timeout='soon': not a time such as 90, 1.5, 300ms, "
     "1m30s or 2h"},
    {"TimeoutInfinite",
     {"--timeout=inf", "", "true"},
     "cannot use --timeout='inf': not a time such as 90, 1.5, 300ms, "
     "1m30s or 2h"},
    {"TimeoutHexadecimal",
     {"--timeout=0x10", "", "true"},
     "cannot use --timeout='0x10': not a time such as 90, 1.5, 300ms, "
     "1m30s or 2h"},
    {"TimeoutTooShort",
     {"--timeout=0.1ns", "", "true"},
     "cannot limit wall time to 0 or less; hint: leave the limit out"},
    {"GraceNegative",
     {"--grace=-1s", "", "true"},
     "cannot use --grace='-1s': must not be negative"},
    {"CpuTimeZero",
     {"--cpu-time=0s", "", "true"},
     "cannot limit CPU time to 0 or less; hint: leave the limit out"},
    {"MemoryZero",
     {"--memory=0", "", "true"},
     "cannot use --memory='0': must be more than 0"},
    {"MemoryNegative",
     {"--memory=-1", "", "true"},
     "cannot use --memory='-1': not a size such as 4096, 512K, 64M, "
     "2G or 1T"},
    {"MemoryJunk",
     {"--memory=lots", "", "true"},
     "cannot use --memory='lots': not a size such as 4096, 512K, 64M, "
     "2G or 1T"},
    {"MemoryOverflow",
     {"--memory=99999999T", "", "true"},
     "cannot use --memory='99999999T': more than 64 bits can hold"},
    {"AddressSpaceFraction",
     {"--address-space=1.5G", "", "true"},
     "cannot use --address-space='1.5G': not a size such as 4096, "
     "512K, 64M, 2G or 1T"},
    {"ProcessesZero",
     {"--processes=0", "", "true"},
     "cannot use --processes='0': must be more than 0"},
    {"ProcessesJunk",
     {"--processes=few", "", "true"},
     "cannot use --processes='few': not a whole number"},
    {"FileSizeZero",
     {"--file-size=0", "", "true"},
     "cannot use --file-size='0': must be more than 0"},
    {"OpenFilesWithSuffix",
     {"--open-files=1K", "", "true"},
     "cannot use --open-files='1K': not a whole number"},
    {"CoreSizeJunk",
     {"--core-size=big", "", "true"},
     "cannot use --core-size='big': not a size such as 4096, 512K, "
     "64M, 2G or 1T"},
    // --- Trees
    {"TreeMissing",
     {"@/missing", "true"},
     "cannot make writable '@/missing': no such file or directory "
     "(ENOENT)"},
    {"TreeMissingAmongOthers",
     {"@|@/missing|@/dir", "true"},
     "cannot make writable '@/missing': no such file or directory "
     "(ENOENT)"},
    {"TreeIsADanglingLink",
     {"@/link", "true"},
     "cannot make writable '@/link': no such file or directory "
     "(ENOENT)"},
    {"TreeIsALoop",
     {"@/loop", "true"},
     "cannot make writable '@/loop': too many levels of symbolic "
     "links (ELOOP)"},
    {"TreeBelowAFile",
     {"@/file/x", "true"},
     "cannot make writable '@/file/x': not a directory (ENOTDIR)"},
    {"TreeNameTooLong",
     {"/" + Long(256), "true"},
     "cannot make writable '/" + Long(256) +
         "': file name too long (ENAMETOOLONG)"},
    {"TreeWithSpaces",
     {"@/no such tree", "true"},
     "cannot make writable '@/no such tree': no such file or "
     "directory (ENOENT)"},
    {"TreeWithNewline",
     {"@/no\nsuch", "true"},
     "cannot make writable '@/no\\nsuch': no such file or directory "
     "(ENOENT)"},
    {"TreeWithBadUtf8",
     {"@/\xff\xfe", "true"},
     "cannot make writable '@/\\xff\\xfe': no such file or directory "
     "(ENOENT)"},
    {"TreeWithUmlaut",
     {"@/b\xc3\xa4r", "true"},
     "cannot make writable '@/b\xC3\xA4r': no such file or directory "
     "(ENOENT)"},
    {"TreeWithQuote",
     {"@/it's", "true"},
     "cannot make writable '@/it\\'s': no such file or directory "
     "(ENOENT)"},
    {"TreeWithBar",
     {"@/a|b", "true"},
     "cannot make writable '@/a': no such file or directory (ENOENT)"},
    {"TreeIsProc",
     {"/proc", "true"},
     "cannot make writable '/proc': /proc is always the sandbox's own"},
    {"TreeInProc",
     {"/proc/self", "true"},
     "cannot make writable '/proc/self': /proc is always the "
     "sandbox's own"},
    {"WritableMissing",
     {"--writable=@/c|d", "--", "true"},
     "cannot make writable '@/c|d': no such file or directory (ENOENT)"},
    {"OverlayOfAFile",
     {"--overlay=@/file", "", "true"},
     "cannot overlay '@/file': not a directory (ENOTDIR)"},
    {"OverlayMissing",
     {"--overlay=@/missing", "", "true"},
     "cannot overlay '@/missing': no such file or directory (ENOENT)"},
    {"OverlayOfTheRoot",
     {"--overlay=/", "", "true"},
     "cannot overlay '/': it is the root; hint: name the directories "
     "below it"},
    {"TmpfsOnAFile",
     {"--tmpfs=@/file", "", "true"},
     "cannot mount a tmpfs at '@/file': not a directory (ENOTDIR)"},
    {"TmpfsMissing",
     {"--tmpfs=@/missing", "", "true"},
     "cannot mount a tmpfs at '@/missing': no such file or directory "
     "(ENOENT); hint: make it on the host first"},
    {"TmpfsOnTheRoot",
     {"--tmpfs=/", "", "true"},
     "cannot mount a tmpfs at '/': it is the root; hint: name the "
     "directories below it"},
    {"TmpfsOfNoSize",
     {"--tmpfs=@/dir:0", "", "true"},
     "cannot use --tmpfs='@/dir:0': must be more than 0"},
    {"TmpfsOfJunkSize",
     {"--tmpfs=@/dir:1X", "", "true"},
     "cannot use --tmpfs='@/dir:1X': not a size such as 4096, 512K, "
     "64M, 2G or 1T"},
    {"HideMissing",
     {"--hide=@/missing", "", "true"},
     "cannot hide '@/missing': no such file or directory (ENOENT)"},
    {"HideTheRoot",
     {"--hide=/", "", "true"},
     "cannot hide '/': it is the root; hint: name the directories "
     "below it"},
    {"HiddenAndWritable",
     {"--hide=@/dir", "@/dir", "true"},
     "cannot hide '@/dir': it is also asked to make writable '@/dir'"},
    {"HiddenAndWritableByALink",
     {"--hide=@/dir", "@/dir/../dir/", "true"},
     "cannot hide '@/dir': it is also asked to make writable "
     "'@/dir/../dir/'"},
    {"TmpfsTwiceWithTwoSizes",
     {"--tmpfs=@/dir:1M", "--tmpfs=@/dir:2M", "", "true"},
     "cannot mount a tmpfs at '@/dir': it is also asked to mount a "
     "tmpfs at '@/dir'"},
    // --- Directories
    {"ChdirMissing",
     {"--chdir=@/missing", "", "true"},
     "cannot change to directory '@/missing': no such file or "
     "directory (ENOENT)"},
    {"ChdirToAFile",
     {"--chdir=@/file", "", "true"},
     "cannot change to directory '@/file': not a directory (ENOTDIR)"},
    {"ChdirIntoAHiddenPlace",
     {"--hide=@", "--chdir=@/dir", "", "true"},
     "cannot change to directory '@/dir': '@' is empty in the sandbox: no such "
     "file or directory (ENOENT)"},
    {"DirectoryHidden",
     {"--hide=@", "", "true"},
     "cannot keep working directory '@/dir': '@' is empty in the sandbox: no "
     "such file or directory (ENOENT); hint: name another directory with "
     "--chdir, or show this one",
     125,
     [] { MustWork(chdir("dir"), "chdir"); }},
    {"DirectoryGone",
     {"", "true"},
     "cannot keep the working directory: it has no path any more; "
     "hint: name a directory that exists with --chdir",
     125,
     [] {
       MustWork(mkdir("gone", 0700), "mkdir");
       MustWork(chdir("gone"), "chdir");
       MustWork(rmdir("../gone"), "rmdir");
     }},
    {"DirectoryTooDeep",
     {"", "true"},
     "cannot keep the working directory: its path is too long; hint: name "
     "another directory with --chdir",
     125,
     [] {
       const std::string name = Long(250);
       for (int level = 0; level < 20; ++level) {
         MustWork(mkdir(name.c_str(), 0700), "mkdir");
         MustWork(chdir(name.c_str()), "chdir");
       }
     }},
    // --- Commands
    {"CommandEmpty", {"", ""}, "cannot run '': the name is empty", 127},
    {"CommandMissing",
     {"", "no-such-command"},
     "cannot run 'no-such-command': no such command in PATH (ENOENT)",
     127},
    {"CommandPathMissing",
     {"", "@/missing"},
     "cannot run '@/missing': no such file or directory (ENOENT)",
     127},
    {"CommandBelowAFile",
     {"", "@/file/x"},
     "cannot run '@/file/x': no such file or directory (ENOENT)",
     127},
    {"CommandIsADirectory",
     {"", "@/dir"},
     "cannot run '@/dir': it is a directory (EACCES)",
     126},
    {"CommandNotExecutable",
     {"", "@/plain"},
     "cannot run '@/plain': permission denied (EACCES)",
     126},
    {"CommandWithoutInterpreter",
     {"", "@/script"},
     "cannot run '@/script': the interpreter or loader that "
     "'@/script' names does not exist (ENOENT)",
     126},
    {"CommandWithAnInterpreterBelowAFile",
     {"", "@/below"},
     "cannot run '@/below': the interpreter or loader that "
     "'@/below' names does not exist (ENOENT)",
     126},
    {"CommandNameTooLong",
     {"", Long(300)},
     "cannot run '" + Long(300) + "': file name too long (ENAMETOOLONG)",
     126},
    {"CommandIsALoop",
     {"", "@/loop"},
     "cannot run '@/loop': too many levels of symbolic links (ELOOP)",
     126},
    {"CommandWithNewline",
     {"", "no\nsuch"},
     "cannot run 'no\\nsuch': no such command in PATH (ENOENT)",
     127},
    {"CommandHidden",
     {"--hide=/usr", "", "/usr/bin/env"},
     "cannot run '/usr/bin/env': no such file or directory (ENOENT)",
     127},
    {"PathEmpty",
     {"--setenv=PATH=/nowhere", "", "true"},
     "cannot run 'true': no such command in PATH (ENOENT)",
     127},
    // --- Descriptors
    {"KeepNothing",
     {"--keep-fd=x", "", "true"},
     "cannot use --keep-fd='x': not a file descriptor's number"},
    {"KeepNegative",
     {"--keep-fd=-1", "", "true"},
     "cannot use --keep-fd='-1': not a file descriptor's number"},
    {"KeepClosed",
     {"--keep-fd=77", "", "true"},
     "cannot keep descriptor 77: bad file descriptor (EBADF)"},
    {"KeepADirectory",
     {"--keep-fd=7", "", "true"},
     "cannot pass descriptor 7: it is a directory, a way around the "
     "read-only view",
     125,
     [] { MustWork(dup2(open("/", O_RDONLY), 7), "dup2"); }},
    {"KeepAPath",
     {"--keep-fd=7", "", "true"},
     "cannot pass descriptor 7: it was opened with O_PATH",
     125,
     [] { MustWork(dup2(open("file", O_PATH), 7), "dup2"); }},
    {"InputIsADirectory",
     {"", "true"},
     "cannot pass descriptor 0: it is a directory, a way around the "
     "read-only view",
     125,
     [] { MustWork(dup2(open("/", O_RDONLY), 0), "dup2"); }},
    {"InputIsAPath",
     {"", "true"},
     "cannot pass descriptor 0: it was opened with O_PATH",
     125,
     [] { MustWork(dup2(open("file", O_PATH), 0), "dup2"); }},
    {"InputWasReplaced",
     {"", "true"},
     "cannot pass descriptor 0 without a way to change its file: its "
     "file can't be found under its name in the sandbox: stale file "
     "handle (ESTALE); hint: pass its content by a pipe: cat FILE | "
     "encapsulate ...",
     125,
     [] {
       MustWork(dup2(open("replaced", O_RDONLY | O_CREAT, 0600), 0), "dup2");
       MustWork(link("replaced", "other"), "link");
       MustWork(unlink("replaced"), "unlink");
     }},
    {"StatusClosed",
     {"--status-fd=77", "", "true"},
     "cannot use --status-fd=77: bad file descriptor (EBADF)"},
    {"StatusJunk",
     {"--status-fd=x", "", "true"},
     "cannot use --status-fd='x': not a file descriptor's number"},
    {"StatusNegative",
     {"--status-fd=-1", "", "true"},
     "cannot use --status-fd='-1': not a file descriptor's number"},
    {"StatusTooHigh",
     {"--status-fd=99999999999", "", "true"},
     "cannot use --status-fd='99999999999': not a file descriptor's number"},
    {"StatusNotWritable",
     {"--status-fd=0", "", "true"},
     "cannot use --status-fd=0: it isn't open for writing"},
};

class BadInputTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    namespace fs = std::filesystem;
    place_ = ScratchPath() + "/place";
    fs::create_directories(place_ + "/dir");
    fs::create_symlink("nowhere", place_ + "/link");
    fs::create_symlink("loop", place_ + "/loop");
    std::ofstream(place_ + "/file") << "x";
    std::ofstream(place_ + "/plain") << "x";
    std::ofstream(place_ + "/script") << "#!/no/such/interpreter\n";
    std::ofstream(place_ + "/below") << "#!" << place_ << "/file/sh\n";
    for (const char* name : {"/script", "/below"}) {
      fs::permissions(place_ + name, fs::perms::owner_all);
    }
  }
  void TearDown() override { std::filesystem::remove_all(place_); }

  // Everything in the place, with its size.
  std::string Contents() const {
    std::vector<std::string> entries;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(place_)) {
      entries.push_back(absl::StrCat(
          entry.path().string(), " ",
          entry.is_symlink() || !entry.is_regular_file() ? 0
                                                         : entry.file_size(),
          "\n"));
    }
    std::sort(entries.begin(), entries.end());
    return absl::StrJoin(entries, "");
  }

  std::string Expand(const std::string& text) const {
    return absl::StrReplaceAll(text, {{"@", place_}});
  }

  std::string place_;
};

TEST_P(BadInputTest, IsAnsweredWithOneSentence) {
  std::vector<std::string> arguments;
  for (const std::string& argument : GetParam().arguments) {
    arguments.push_back(Expand(argument));
  }
  const std::string before = Contents();
  const Finished finished = RunTool(arguments, [this] {
    MustWork(chdir(place_.c_str()), "chdir");
    if (GetParam().prepare != nullptr) GetParam().prepare();
  });
  EXPECT_EQ(finished.errors,
            absl::StrCat("encapsulate: ", Expand(GetParam().message), "\n"));
  EXPECT_EQ(finished.output, "");
  EXPECT_EQ(finished.exit_code, GetParam().exit_code);
  if (GetParam().prepare == nullptr) {
    EXPECT_EQ(Contents(), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, BadInputTest, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace encapsulate::tool
