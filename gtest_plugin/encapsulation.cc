// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/encapsulation.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest_plugin/child/test_process.h"
#include "gtest_plugin/program/runner.h"
#include "gtest_plugin/settings.h"
#include "gtest_plugin/shared/settings.h"

namespace encapsulate {

const TestOptions& ProgramOptions() { return Runner::Get().program_options(); }

void SetProgramOptions(TestOptions options) {
  Runner::Get().set_program_options(std::move(options));
}

void SetSuiteOptions(TestOptions options) {
  Runner::Get().set_suite_options(std::move(options));
}

bool IsEncapsulated() { return TestProcess::Get() != nullptr; }

std::string ScratchDirectory() {
  return IsEncapsulated() ? TestProcess::Get()->view().scratch : "";
}

std::vector<std::string> WritableTrees() {
  return IsEncapsulated() ? TestProcess::Get()->view().writable
                          : std::vector<std::string>();
}

const TestOptions& OptionsInForce() {
  return IsEncapsulated() ? TestProcess::Get()->options() : ProgramOptions();
}

void InitEncapsulate(int* argc, char** argv) {
  Runner::Get().set_settings(ReadSettings(argc, argv));
}

}  // namespace encapsulate
