// SPDX-License-Identifier: Apache-2.0
//
// What the person who runs a test program can ask for, by environment or on
// the command line. The command line wins over the environment, and both win
// over the program's and the fixtures' options.
//
//   flag                                        variable
//   --encapsulate_mode=require|off              ENCAPSULATE_MODE
//       `off` runs every test in the program itself, and says so. Default:
//       `require`; a host that grants no sandbox fails the tests.
//   --encapsulate_timeout=DURATION              ENCAPSULATE_TIMEOUT
//       Wall time of one test, like 90s or 1h30m. `inf` is no limit.
//   --encapsulate_jobs=N                        ENCAPSULATE_JOBS
//       How many tests may run at a time; 0 is one for each processor that the
//       program may use (affinity and cgroups count). Tests of a suite then run
//       ahead of GoogleTest, which sees them in its order, so that output,
//       reports and listeners are those of one test at a time. Default: 1 under
//       Bazel, which runs several programs at a time, else 0.
//   --encapsulate_alone=PATTERN:PATTERN...      ENCAPSULATE_ALONE
//       Tests that run while no other one of the program does; see
//       encapsulation.h. Patterns add to those of the program.
//   --encapsulate_durations=FILE                ENCAPSULATE_DURATIONS
//       Remembers there how long each test took, and starts those of a suite
//       that took longest, or aren't in it, first of those that run ahead. Not
//       there yet is empty. Results keep their order.
//   --encapsulate_progress=0|1                  ENCAPSULATE_PROGRESS
//       Whether a line on stderr, if that is a terminal, says what is running
//       while a test that runs ahead keeps GoogleTest waiting for more than a
//       second. Default: 1.
//   --encapsulate_slow=DURATION                 ENCAPSULATE_SLOW
//       After this time a test that still runs is named on stderr. Default: a
//       quarter of its wall time.
//   --encapsulate_keep_scratch=never|failed     ENCAPSULATE_KEEP_SCRATCH
//       `failed` keeps the scratch directory of a failed test, on disk, in
//       TEST_UNDECLARED_OUTPUTS_DIR, else in TEST_TMPDIR or TMPDIR, and prints
//       where.
//   --encapsulate_isolation=namespaces|landlock|process|best
//                                               ENCAPSULATE_ISOLATION
//       What isolates tests, see encapsulate/isolation.h; `best` is the
//       strongest level that the host grants. Default: `namespaces`. What was
//       used, if that isn't namespaces, is said on stderr before the first
//       test, and is the property `encapsulate_isolation` of the run.
//   --encapsulate_working_directory=read-only|overlay|copy
//                                               ENCAPSULATE_WORKING_DIRECTORY
//   --encapsulate_network=loopback|none|host    ENCAPSULATE_NETWORK
//   --encapsulate_leftovers=fail|note           ENCAPSULATE_LEFTOVERS
//   --encapsulate_violations=off|report|enforce ENCAPSULATE_VIOLATIONS
//       Whether a test that tries to reach out fails, or is only shown on
//       stderr, or nobody watches. Default: `enforce`.
//   --encapsulate_report=FORMAT:FILE,...        ENCAPSULATE_REPORT
//       Writes the attempts of all tests to FILE when they have run. FORMAT is
//       json, junit, sarif, github, gitlab or html, see
//       encapsulate/violation_report.h; a FILE alone gets JSON. A path can't
//       hold a comma.
//   --encapsulate_inputs=FILE                   ENCAPSULATE_INPUTS
//       Writes to FILE what each test read of the host: a JSON object a line,
//       with files opened for reading, paths that led to nothing, directories
//       listed, links read and programs executed; see encapsulate/inputs.h.
//   --encapsulate_trace=FILE                    ENCAPSULATE_TRACE
//       Writes there when each test ran, and beside which others, in the Trace
//       Event format, which Perfetto and chrome://tracing show.
//   --encapsulate_exposed_executable=fail|note  ENCAPSULATE_EXPOSED_EXECUTABLE
//       What it means that tests can't be kept from changing the mode, times or
//       attributes of the program's own file: every test fails, or a line on
//       stderr says so. Default: `fail` for root, else `note`.
//   --encapsulate_reuse=on|off                  ENCAPSULATE_REUSE
//       `on` uses a test's sandbox again if it is proven that nothing of the
//       test is left in it, see sandbox_pool.h; with `off`, every test gets a
//       new one. Default: `off`.
//   --encapsulate_writable=TREE|TREE...         ENCAPSULATE_WRITABLE
//       See encapsulation.h. Trees add to those of the program.
//   --encapsulate_verbose=0|1                   ENCAPSULATE_VERBOSE
//       What the sandbox of each test took to make, and why it isn't used
//       again, on stderr.
//   --encapsulate_help
//       Prints them, as --help does besides GoogleTest's.
//
// Every program with encapsulated tests takes them. If its main() refuses flags
// that it doesn't know, it has to call InitEncapsulate() first.
#ifndef GTEST_PLUGIN_SETTINGS_H_
#define GTEST_PLUGIN_SETTINGS_H_

namespace encapsulate {

// Takes this program's flags out of argv, to be called first in main(). Prints
// what is wrong with them and exits with 2. Without arguments it reads the
// command line of the process, and so does RUN_ALL_TESTS() if it wasn't called.
void InitEncapsulate(int* argc, char** argv);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SETTINGS_H_
