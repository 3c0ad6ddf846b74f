// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/child_plan.h"

#include <string>
#include <vector>

#include "encapsulate/plan/plan.h"

namespace encapsulate {
namespace {

PlainText ViewOf(const std::string& text) {
  return {text.c_str(), text.size()};
}

template <typename T>
PlainList<const T> ViewOf(const std::vector<T>& list) {
  return {list.data(), list.size()};
}

std::vector<PlainText> ViewsOf(const std::vector<std::string>& texts) {
  std::vector<PlainText> views;
  views.reserve(texts.size());
  for (const std::string& text : texts) views.push_back(ViewOf(text));
  return views;
}

}  // namespace

PlanForChild::PlanForChild(Plan& plan)
    : make_directories_(ViewsOf(plan.make_directories)),
      executables_(ViewsOf(plan.executables)),
      noted_places_(plan.places.size()),
      noted_inputs_(plan.inputs.size()) {
  places_.reserve(plan.places.size());
  for (const Place& place : plan.places) {
    places_.push_back({place, ViewOf(place.target), ViewOf(place.source)});
  }
  inputs_.reserve(plan.inputs.size());
  for (const Input& input : plan.inputs) {
    inputs_.push_back({input.fd, ViewOf(input.path)});
  }
  static_cast<PlanValues&>(plan_) = plan;
  plan_.uid_map = ViewOf(plan.uid_map);
  plan_.gid_map = ViewOf(plan.gid_map);
  plan_.hostname = ViewOf(plan.hostname);
  plan_.scratch = ViewOf(plan.scratch);
  plan_.places = ViewOf(places_);
  plan_.make_directories = ViewOf(make_directories_);
  plan_.inputs = ViewOf(inputs_);
  plan_.keep_descriptors = ViewOf(plan.keep_descriptors);
  plan_.directory = ViewOf(plan.directory);
  plan_.executable = ViewOf(plan.executable);
  plan_.limits = ViewOf(plan.limits);
  plan_.hello = ViewOf(plan.hello);
  plan_.sets_umask = plan.umask.has_value();
  plan_.umask = plan.umask.value_or(0);
  plan_.command = ViewOf(plan.command);
  plan_.executables = ViewOf(executables_);
  plan_.argv = plan.argv.data();
  plan_.envp = plan.envp.data();
  notes_.places = {noted_places_.data(), noted_places_.size()};
  notes_.inputs = {noted_inputs_.data(), noted_inputs_.size()};
  notes_.shell_argv = plan.shell_argv.data();
}

}  // namespace encapsulate
