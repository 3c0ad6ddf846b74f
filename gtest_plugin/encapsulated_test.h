// SPDX-License-Identifier: Apache-2.0
//
// A fixture whose tests run in a process and a sandbox of their own.
//
//   #include "gtest_plugin/encapsulated_test.h"
//
//   using encapsulate::EncapsulatedTest;
//
//   TEST_F(EncapsulatedTest, MayDoAnything) {
//     system("rm -rf /");  // harms nothing
//   }
//
// Everything that belongs to one test runs in there: the fixture's
// constructor, SetUp(), the body, TearDown(), the destructor. SetUpTestSuite()
// and environments run once, outside, in the test program itself; a test sees
// what they made, and what it changes itself is gone when it ends.
//
// GoogleTest's output, reports, flags and listeners are those of an ordinary
// run. A test passes only if it comes to its end: exit(), a crash and a hang
// fail that test, and the next one runs. Derive from EncapsulatedTest as from
// testing::Test, TYPED_TEST and RegisterTest() included; for TEST_P there is
// EncapsulatedTestWithParam<T>. To run every test of a program like this,
// whatever its fixture, see encapsulated_environment.h. Options are in
// encapsulation.h, flags in settings.h.
//
// Two things differ from an ordinary fixture. A derived class that has an
// operator new of its own hides the one below: its tests fail and say so
// (`using encapsulate::EncapsulatedTest::operator new;` helps). And the factory
// given to RegisterTest() gets a null from `new` in the test program itself:
// it must not touch the object.
#ifndef GTEST_PLUGIN_ENCAPSULATED_TEST_H_
#define GTEST_PLUGIN_ENCAPSULATED_TEST_H_

#include <cstddef>
#include <new>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulation.h"   // IWYU pragma: export
#include "gtest_plugin/expect_blocked.h"  // IWYU pragma: export

namespace encapsulate {

// Derive fixtures from it, see the top of this file.
class EncapsulatedTest : public testing::Test {
 public:
  // GoogleTest creates a test by `new`. Here the process forks: the child gets
  // memory for the object; the test program waits for the child, takes over
  // its results, and gets a null, so that no code of the test runs there.
  static void* operator new(std::size_t size) noexcept;
  // The same for a fixture with a stricter alignment.
  static void* operator new(std::size_t size,
                            std::align_val_t alignment) noexcept;
  // Frees what `new` gave to the child.
  static void operator delete(void* memory) noexcept;
  // The same for a fixture with a stricter alignment.
  static void operator delete(void* memory,
                              std::align_val_t alignment) noexcept;

 protected:
  EncapsulatedTest();
};

// For TEST_P: the same with a parameter.
template <typename T>
class EncapsulatedTestWithParam : public EncapsulatedTest,
                                  public testing::WithParamInterface<T> {};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_ENCAPSULATED_TEST_H_
