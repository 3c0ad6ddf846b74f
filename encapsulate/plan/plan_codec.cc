// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/plan_codec.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace encapsulate {
namespace {

template <typename Visitor, typename ThePlace>
void VisitPlace(Visitor& visit, ThePlace& place) {
  visit(place.kind);
  visit(place.target);
  visit(place.directory);
  visit(place.make_point);
  visit(place.seal);
  visit(place.devices);
  visit(place.size);
  visit(place.source);
  visit(place.identity.device);
  visit(place.identity.inode);
  visit(place.identity.born);
}

class Writer {
 public:
  template <typename T>
  void operator()(const T& value) {
    static_assert(std::is_arithmetic<T>::value || std::is_enum<T>::value,
                  "other types have an overload of their own");
    char bytes[sizeof(value)];
    memcpy(bytes, &value, sizeof(value));
    bytes_.append(bytes, sizeof(bytes));
  }
  void operator()(const std::string& text) {
    (*this)(text.size());
    bytes_.append(text);
  }
  template <typename T>
  void operator()(const std::vector<T>& list) {
    (*this)(list.size());
    for (const T& element : list) (*this)(element);
  }
  void operator()(const Place& place) { VisitPlace(*this, place); }

  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}

  template <typename T>
  void operator()(T& value) {
    static_assert(std::is_arithmetic<T>::value || std::is_enum<T>::value,
                  "other types have an overload of their own");
    const absl::string_view bytes = Cut(sizeof(value));
    if (ok_) memcpy(&value, bytes.data(), sizeof(value));
  }
  // Other bytes than 0 and 1 are no bool, and must not get into one.
  void operator()(bool& value) {
    uint8_t byte = 0;
    (*this)(byte);
    ok_ = ok_ && byte <= 1;
    value = byte == 1;
  }
  void operator()(PlaceKind& value) { TakeEnum(PlaceKind::kGenerated, value); }
  void operator()(Network& value) { TakeEnum(Network::kHost, value); }
  void operator()(std::string& text) {
    size_t size = 0;
    (*this)(size);
    text = std::string(Cut(size));
  }
  template <typename T>
  void operator()(std::vector<T>& list) {
    size_t size = 0;
    (*this)(size);
    for (size_t i = 0; i < size && ok_; ++i) {
      list.emplace_back();
      (*this)(list.back());
    }
  }
  void operator()(Place& place) { VisitPlace(*this, place); }

  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  template <typename T>
  void TakeEnum(T last, T& value) {
    std::underlying_type_t<T> number = 0;
    (*this)(number);
    const auto wide = static_cast<int64_t>(number);
    ok_ = ok_ && wide >= 0 && wide <= static_cast<int64_t>(last);
    value = ok_ ? static_cast<T>(number) : T();
  }

  absl::string_view Cut(size_t size) {
    ok_ = ok_ && size <= rest_.size();
    if (!ok_) return "";
    const absl::string_view cut = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return cut;
  }

  absl::string_view rest_;
  bool ok_ = true;
};

template <typename Visitor, typename ThePlan>
void VisitPlan(Visitor& visit, ThePlan& plan) {
  visit(plan.namespaces);
  visit(plan.map_from_outside);
  visit(plan.wait_for_go);
  visit(plan.uid_map);
  visit(plan.gid_map);
  visit(plan.hostname);
  visit(plan.root_writable);
  visit(plan.places);
  visit(plan.mask_sockets);
  visit(plan.unmasked);
  visit(plan.masked);
  visit(plan.make_directories);
  visit(plan.forbid_cgroups);
  visit(plan.protect_proc);
  visit(plan.host_sys);
  visit(plan.network);
  visit(plan.name_server);
  visit(plan.watched_outside);
  visit(plan.hello);
  visit(plan.executable);
  visit(plan.directory);
  visit(plan.core_limit);
  visit(plan.timeout_nanoseconds);
  visit(plan.grace_nanoseconds);
  visit(plan.list_overlay_changes);
  visit(plan.reusable);
}

}  // namespace

std::string WritePlan(const Plan& plan) {
  Writer writer;
  VisitPlan(writer, plan);
  return writer.Take();
}

bool ReadPlan(absl::string_view bytes, Plan* plan) {
  Reader reader(bytes);
  VisitPlan(reader, *plan);
  plan->filter = &GetFilter(
      plan->watched_outside ? OpenCalls::kLeaveToOuter : OpenCalls::kRefuse,
      plan->core_limit == kNoCore ? CoreLimit::kFixed : CoreLimit::kFree);
  return reader.AtEnd();
}

}  // namespace encapsulate
