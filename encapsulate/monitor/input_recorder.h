// SPDX-License-Identifier: Apache-2.0
//
// What calls read, for Options::inputs. It looks before a call runs, and never
// has a say in what becomes of it.
#ifndef ENCAPSULATE_MONITOR_INPUT_RECORDER_H_
#define ENCAPSULATE_MONITOR_INPUT_RECORDER_H_

#include <cstddef>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "encapsulate/inputs.h"
#include "encapsulate/inspect/path_walk.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/monitor/decode.h"

namespace encapsulate {

// Where inputs are, and where they aren't.
struct InputScope {
  struct Tree {
    std::string path;
    bool fresh;  // made for the sandbox: nothing in it is the host's
  };
  std::string directory;    // InputRecord::directory
  std::vector<Tree> trees;  // outer before inner
};

class InputRecorder {
 public:
  // What a call is about.
  struct Input {
    enum class Kind {
      kNone,
      kUnseen,  // it couldn't be looked at
      kMade,    // what is there from here on isn't the host's
      kRead,
      kAbsent,
      kListed,
      kLink,
      kExecuted,
    };
    Kind kind = Kind::kNone;
    std::string path;
    // Of kRead: what it was asked for by, if that is the same for every thread.
    std::string name;
  };

  explicit InputRecorder(InputScope scope);

  // What the call is about, of a thread that waits in it. Nothing if it opens a
  // file for reading by a name that is known to be an input.
  Input Look(const ThreadView& thread, const SyscallArgs& call);

  // Keeps it.
  void Add(Input input);

  InputRecord Take();

 private:
  // The lists, in the order of Input::Kind from kRead on.
  static constexpr size_t kLists = 5;

  Input LookAtOpen(const ThreadView& thread, const SyscallArgs& call,
                   const PathOperand& path) const;
  Input LookAtList(const ThreadView& thread, const PathOperand& path) const;
  static Input LookAtMade(const ThreadView& thread, const SyscallArgs& call);
  // The path by which `found` is recorded.
  std::string NameOf(const ThreadView& thread, const PathOperand& path,
                     const Found& found) const;
  Input Named(Input::Kind kind, const ThreadView& thread,
              const PathOperand& path, const Found& found) const;
  // Whether the name is the same file for every thread.
  bool IsSameForAll(const std::string& name) const;
  // What isn't the host's.
  bool IsOwn(const std::string& path) const;

  const InputScope scope_;
  std::set<std::string> lists_[kLists];
  std::set<std::string> made_;
  // By which files in the first list were opened, since something was made. A
  // look-up takes most of the time of a look, and programs open the same files
  // over and over.
  std::unordered_set<std::string> names_;
  // Until something is mounted, or somebody gets another root.
  bool keeps_names_ = true;
  InputRecord record_;  // the lists at the end only
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_MONITOR_INPUT_RECORDER_H_
