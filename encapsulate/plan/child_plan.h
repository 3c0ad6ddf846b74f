// SPDX-License-Identifier: Apache-2.0
//
// The plan as a child gets it: plain data that it reads without a lock or the
// heap. Texts and lists lie in the Plan, which the caller keeps, so the child's
// copy of the caller's memory has them as well. What the child notes meanwhile
// is in a struct of its own.
//
//   PlanForChild for_child(plan);  // in the caller, before it forks
//   ...
//   RunInit(for_child.plan(), for_child.notes(), control, caller);
#ifndef ENCAPSULATE_PLAN_CHILD_PLAN_H_
#define ENCAPSULATE_PLAN_CHILD_PLAN_H_

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "encapsulate/isolation.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/seccomp_filter.h"

namespace encapsulate {

struct Plan;

enum class PlaceKind : uint8_t {
  // The caller's.
  kWritable,
  kTmpfs,
  kOverlay,
  kHidden,
  kShown,
  // Every sandbox's.
  kDev,     // a fresh directory that holds the places below
  kDevice,  // one of the host's device nodes
  kDevPts,
  kShm,
  kMqueue,
  kProc,
  kSys,
  kCgroup,
  kGenerated,  // a file of our own, /etc/hosts for example
};

struct ResourceLimit {
  int resource;  // RLIMIT_...
  uint64_t soft;
  uint64_t hard;
};

// The RLIMIT_CORE that no core file comes from. With 0, the kernel would still
// start the program that core_pattern may name, outside of any sandbox; with 1,
// which that program's own crashes are marked by, it doesn't (core(5)).
inline constexpr uint64_t kNoCore = 1;

// --- What a Plan and a ChildPlan have alike ---------------------------------

struct PlaceValues {
  PlaceKind kind;
  bool directory = true;
  bool make_point = false;  // target lies in a fresh place: make it first
  bool seal = false;        // read-only once everything inside it is mounted
  bool devices = false;     // device nodes in it work
  uint64_t size = 0;        // kTmpfs; 0 is the kernel's default
};

struct PlanValues {
  // What isolates; not kBest.
  Isolation isolation = Isolation::kNamespaces;
  uint64_t namespaces = 0;  // CLONE_NEW... of all

  // Without namespaces: the caller's descriptor of a file that names what init
  // removes if the caller is killed, beside Plan::scratch, see ledger.h.
  int ledger = -1;
  // Level landlock: the ABI, and the caller's descriptors of the rulesets that
  // init and the command enter; -1 for none.
  int landlock_abi = 0;
  int outer_domain = -1;
  int inner_domain = -1;

  // user_namespaces(7). The caller writes the maps if it may map more than
  // itself; else the child does.
  bool map_from_outside = false;
  bool wait_for_go = false;  // the caller has something to do first

  bool root_writable = false;  // "/" is among the writable trees
  // Whether the host's sockets are masked. The caller looks for them while the
  // child is at work.
  bool mask_sockets = false;
  bool forbid_cgroups = false;  // the caller's cgroup could be changed
  bool protect_proc = false;    // its owner could write kernel settings
  bool host_sys = false;        // /sys stays the host's, read-only

  Network network = Network::kLoopback;
  // Whether the caller answers questions for names, see name_server.h.
  bool name_server = false;

  bool must_move = false;  // it is an error if Plan::executable can't be moved
  bool private_mappings = false;  // Enter(): see SharedMappings

  // Not among the limits, because it has to be set before system calls are
  // filtered.
  uint64_t core_limit = kNoCore;
  // Made by the caller, once for all sandboxes. With a monitor, the command
  // gets the second one instead. Null at level process.
  const FilterProgram* filter = nullptr;
  // A monitor around this sandbox watches: see outer_monitor.h. Then the filter
  // leaves to the outer one what that one hands over.
  bool watched_outside = false;
  const FilterProgram* watching_filter = nullptr;  // null: nobody watches
  int64_t timeout_nanoseconds = 0;                 // 0: none
  int64_t grace_nanoseconds = 0;

  bool foreground = false;
  // The command stays in the caller's session, whose terminal it needs.
  bool shares_session = false;
  int terminal = -1;           // a descriptor (0-2) of the caller's terminal
  bool owns_terminal = false;  // and the command gets it from the start
  sigset_t signal_mask = {};   // what the command starts with
  bool list_overlay_changes = false;

  // Enter(): the sandbox may be used again, see SandboxPool.
  bool reusable = false;

  bool replace_environment = false;  // Enter(): by Plan::strings
};

inline bool HasNamespaces(const PlanValues& plan) {
  return plan.isolation == Isolation::kNamespaces;
}

// --- The child's ------------------------------------------------------------

// A text of the caller's, with a null character behind it.
struct PlainText {
  const char* c_str() const { return text; }
  const char* data() const { return text; }
  size_t size() const { return length; }
  bool empty() const { return length == 0; }

  const char* text = "";
  size_t length = 0;
};

// A list of the caller's.
template <typename T>
struct PlainList {
  T* begin() const { return first; }
  T* end() const { return first + count; }
  size_t size() const { return count; }
  T& operator[](size_t i) const { return first[i]; }

  T* first = nullptr;
  size_t count = 0;
};

// See Place and Plan for what is said of neither here nor above.
struct ChildPlace : PlaceValues {
  PlainText target;
  PlainText source;
};

struct ChildInput {
  int fd;
  PlainText path;
};

struct ChildPlan : PlanValues {
  PlainText uid_map;
  PlainText gid_map;
  PlainText hostname;
  PlainText scratch;
  PlainList<const ChildPlace> places;
  PlainList<const PlainText> make_directories;
  PlainList<const ChildInput> inputs;
  PlainList<const int> keep_descriptors;
  PlainText directory;
  PlainText executable;
  PlainList<const ResourceLimit> limits;
  PlainText hello;
  bool sets_umask = false;
  mode_t umask = 0;
  PlainText command;
  PlainList<const PlainText> executables;
  const char* const* argv = nullptr;
  const char* const* envp = nullptr;
};

// What the child notes while it carries the plan out.
struct ChildNotes {
  struct Place {
    int tree = -1;   // the clone to attach, of a writable or shown tree, or of
                     // an overlay in a fresh place
    int lower = -1;  // the directory below an overlay
  };
  // Duplicates of an input as it was and as it is now, to bring the caller's
  // file offset up to date at the end.
  struct Input {
    int original = -1;
    int reopened = -1;
  };
  PlainList<Place> places;            // as ChildPlan has them
  PlainList<Input> inputs;            // the same
  int executable_file = -1;           // ChildPlan::executable through the view
  const char** shell_argv = nullptr;  // its second is the script
};

// A copy of any is one of its bytes, and its end is nothing to do.
template <typename... T>
inline constexpr bool kIsPlainData =
    (... && (std::is_trivially_copyable<T>::value &&
             std::is_trivially_destructible<T>::value));
static_assert(kIsPlainData<ChildPlan, ChildPlace, ChildInput, ChildNotes,
                           ChildNotes::Place, ChildNotes::Input, PlainText,
                           ResourceLimit>,
              "a child reads and writes plain data only");

// Both for `plan`, which must be as it is, and where it is, as long as a child
// may use them. Only the caller makes and destroys it: Enter()'s child keeps
// its copy for good, and init ends by _exit(2).
class PlanForChild {
 public:
  explicit PlanForChild(Plan& plan);
  PlanForChild(const PlanForChild&) = delete;
  PlanForChild& operator=(const PlanForChild&) = delete;

  const ChildPlan& plan() const { return plan_; }
  ChildNotes& notes() { return notes_; }

  // The one thing that may change: there may be no such namespace here.
  void set_namespaces(uint64_t namespaces) { plan_.namespaces = namespaces; }

 private:
  ChildPlan plan_;
  ChildNotes notes_;
  std::vector<ChildPlace> places_;
  std::vector<PlainText> make_directories_;
  std::vector<ChildInput> inputs_;
  std::vector<PlainText> executables_;
  std::vector<ChildNotes::Place> noted_places_;
  std::vector<ChildNotes::Input> noted_inputs_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_CHILD_PLAN_H_
