// SPDX-License-Identifier: Apache-2.0

#include "tool/reports.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/failure.h"
#include "encapsulate/input_report.h"
#include "encapsulate/violation_baseline.h"
#include "encapsulate/violation_report.h"
#include "gtest_plugin/googletest/frames.h"
#include "tool/flags.h"
#include "tool/report.h"

namespace encapsulate::tool {
namespace {

// Of those that are gone; the file has the rest.
constexpr size_t kShown = 20;

// A file that is whole or what it was.
bool ReplaceFile(const std::string& path, mode_t mode,
                 const std::string& text) {
  std::string part = absl::StrCat(path, ".XXXXXX");
  const UniqueFd file(mkostemp(part.data(), O_CLOEXEC));
  if (!file.valid()) return false;
  if (WriteAll(file.get(), text) && fchmod(file.get(), mode) == 0 &&
      fsync(file.get()) == 0 && rename(part.c_str(), path.c_str()) == 0) {
    return true;
  }
  const int error = errno;
  unlink(part.c_str());
  errno = error;
  return false;
}

}  // namespace

absl::Status Reports::Open() {
  for (const std::string& text : absl::GetFlag(FLAGS_report).values) {
    absl::optional<ReportTarget> target = ParseReportTarget(text);
    if (!target.has_value()) {
      return MakeFailure({FailureKind::kInvalidOptions,
                          absl::StrCat("write --report=", text), "",
                          "it names no file", 0,
                          "give it as FORMAT:FILE, where FORMAT is " +
                              absl::StrJoin(ReportFormatNames(), ", ")});
    }
    File file = {"the report", target->path, UniqueFd()};
    absl::Status status = Create(&file);
    if (!status.ok()) return status;
    files_.emplace_back(target->format, std::move(file));
  }
  const std::string inputs = absl::GetFlag(FLAGS_inputs);
  if (!inputs.empty()) {
    inputs_ = File{"the inputs", inputs, UniqueFd()};
    absl::Status status = Create(&*inputs_);
    if (!status.ok()) return status;
  }
  return OpenBaseline();
}

absl::Status Reports::Create(File* file) {
  const UniqueFd opened(
      open(file->path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  // Not in place of one of the first three that is closed: those are kept.
  if (opened.valid()) {
    file->fd = UniqueFd(fcntl(opened.get(), F_DUPFD_CLOEXEC, 3));
  }
  if (file->fd.valid()) return absl::OkStatus();
  return MakeFailure({FailureKind::kInvalidOptions,
                      absl::StrCat("write ", file->what), file->path, "",
                      errno});
}

absl::Status Reports::OpenBaseline() {
  const std::string path = absl::GetFlag(FLAGS_baseline);
  if (path.empty()) return absl::OkStatus();
  const bool updates = absl::GetFlag(FLAGS_update_baseline);
  baseline_.emplace();
  // A device may have no end, and would be replaced; a FIFO is waited for.
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) &&
      !S_ISDIR(info.st_mode)) {
    return MakeFailure({FailureKind::kInvalidOptions, "read the baseline", path,
                        "it is no regular file"});
  }
  const absl::optional<std::string> text = ReadFile(path);
  if (!text.has_value()) {
    if (!updates || errno != ENOENT) {
      return MakeFailure(
          {FailureKind::kInvalidOptions, "read the baseline", path, "", errno,
           errno == ENOENT ? "--update-baseline makes one" : ""});
    }
  } else {
    absl::StatusOr<Baseline> read = Baseline::Read(*text);
    if (!read.ok()) {
      return MakeFailure({FailureKind::kInvalidOptions, "read the baseline",
                          path, std::string(read.status().message())});
    }
    baseline_ = *std::move(read);
  }
  if (!updates || FindPlace(path)) return absl::OkStatus();
  return MakeFailure(
      {FailureKind::kInvalidOptions, "write the baseline", path, "", errno});
}

// A link is kept: what it leads to is replaced. That is looked up before the
// command runs, which may put a link of its own there.
bool Reports::FindPlace(const std::string& path) {
  const std::string real =
      RealPathOrSame(path[0] == '/' ? path : EntryOf(CurrentDirectory(), path));
  place_.name = real.substr(real.rfind('/') + 1);
  place_.directory = UniqueFd(
      open(ParentOf(real).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat before;
  if (stat(real.c_str(), &before) == 0) {
    place_.mode = before.st_mode & 07777;
  } else {
    const mode_t mask = umask(0);
    umask(mask);
    place_.mode = 0666 & ~mask;
  }
  return place_.directory.valid() &&
         faccessat(place_.directory.get(), ".", W_OK, 0) == 0;
}

void Reports::UpdateBaseline(const Result& result) const {
  const std::string path = absl::GetFlag(FLAGS_baseline);
  Baseline baseline;
  for (const Violation& violation : result.record.violations) {
    baseline.Add(violation);
  }
  // rename(2) replaces a link, and doesn't follow it.
  if (!ReplaceFile(EntryOf(PathThrough(place_.directory.get()), place_.name),
                   place_.mode, baseline.Write())) {
    Complain("write the baseline", path, errno);
    return;
  }
  Print(
      absl::StrCat("baseline: ", baseline.size(), " known, in ", Quote(path)));
}

void Reports::ApplyBaseline(Result* result) const {
  if (!baseline_.has_value()) return;
  if (absl::GetFlag(FLAGS_update_baseline)) {
    UpdateBaseline(*result);
    result->record.violations.clear();
    return;
  }
  const std::vector<std::string> gone =
      baseline_->Gone(result->record.violations);
  std::vector<Violation>& violations = result->record.violations;
  const auto known = std::remove_if(
      violations.begin(), violations.end(),
      [&](const Violation& violation) { return baseline_->Has(violation); });
  const auto count = violations.end() - known;
  violations.erase(known, violations.end());
  if (count > 0) Print(absl::StrCat("baseline: ", count, " known"));
  if (gone.empty()) return;
  Print(absl::StrCat("baseline: ", gone.size(),
                     " gone; hint: --update-baseline takes them out"));
  for (size_t i = 0; i < std::min(gone.size(), kShown); ++i) {
    Print(absl::StrCat("          ", gone[i]));
  }
  if (gone.size() > kShown) {
    Print(absl::StrCat("          and ", gone.size() - kShown, " more"));
  }
}

void Reports::Write(const Result& result) const {
  ViolationReport report;
  report.record = result.record;
  report.isolation = result.isolation;
  report.directory = CurrentDirectory();
  report.left_out = gtest_internals::GoogleTestFrames();
  for (const auto& file : files_) {
    Fill(file.second, WriteReport(file.first, report));
  }
}

void Reports::WriteInputs(const Result& result) const {
  if (!inputs_.has_value()) return;
  Fill(*inputs_,
       encapsulate::WriteInputs(absl::GetFlag(FLAGS_name), result.inputs));
  if (result.inputs.watched_outside) {
    Print("the sandbox around this one watches, so no inputs are recorded");
  }
}

void Reports::Fill(const File& file, const std::string& text) {
  // The command may have written to it. What isn't a regular file has no size.
  if (ftruncate(file.fd.get(), 0) != 0 && errno != EINVAL) {
    Complain(absl::StrCat("empty ", file.what), file.path, errno);
  }
  if (!WriteAll(file.fd.get(), text)) {
    Complain(absl::StrCat("write ", file.what), file.path, errno);
  }
}

}  // namespace encapsulate::tool
