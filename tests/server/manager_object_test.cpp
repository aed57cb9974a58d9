// The manager object as an object among others.
#include <gtest/gtest.h>

#include <steward/manager/server/class.hpp>
#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

class ManagerObjectTest : public testing::Test {
 protected:
  // Whether the core serves it without an input.
  bool is_read(std::string_view method, const std::string& args = arguments()) {
    const std::string frame =
        driver_.frame(client_, client_.next_seq++, core::kManagerObject, method, args);
    server::Outputs outputs;
    return driver_.core.answer({client_.session, frame}, driver_.now, outputs);
  }
  Answer call(core::ObjectId object, std::string_view method,
              const std::string& args = arguments()) {
    return driver_.call(client_, object, method, args);
  }
  // As debug_info() shows it.
  std::uint64_t version_of(core::ObjectId object) {
    const std::string text(call(core::kManagerObject, "debug_info").result.string());
    const std::string name = "#" + std::to_string(core::number(object)) + ":";
    const std::size_t line = text.find(name);
    if (line == std::string::npos) return 0;
    constexpr std::string_view kVersion = "version ";
    return std::stoull(text.substr(text.find(kVersion, line) + kVersion.size()));
  }

  const server::Registry registry_ = server::builtin_classes();
  CoreDriver driver_{registry_};
  CoreDriver::Client client_ = driver_.open();
};

TEST_F(ManagerObjectTest, WhatOnlyLooksIsARead) {
  EXPECT_TRUE(is_read("number_of_objects"));
  EXPECT_TRUE(is_read("debug_info"));
  EXPECT_TRUE(is_read("stat"));
}

TEST_F(ManagerObjectTest, WhatGivesReferencesIsAChange) {
  EXPECT_FALSE(is_read("objects"));
  EXPECT_FALSE(is_read("names"));
  EXPECT_FALSE(is_read("find", arguments("name")));
}

TEST_F(ManagerObjectTest, IsNotAmongTheObjects) {
  EXPECT_EQ(call(core::kManagerObject, "number_of_objects").result, Value(0));
  EXPECT_EQ(call(core::kManagerObject, "objects").result, Value(Value::List()));
  EXPECT_EQ(driver_.core.number_of_objects(), 0U);
  call(core::kManagerObject, "drop", arguments(std::vector<int>()));
  EXPECT_EQ(call(core::kManagerObject, "claim", arguments(0)).code,
            core::ErrorCode::stale_handle);
  EXPECT_EQ(call(core::kManagerObject, "create", arguments("manager", Value(), Value::List())).code,
            core::ErrorCode::bad_call);
}

TEST_F(ManagerObjectTest, AVersionRisesWithWhatChangesAndWithNothingElse) {
  const core::ObjectId list = driver_.create(client_, "list", arguments());
  const core::ObjectId other = driver_.create(client_, "list", arguments());
  const std::uint64_t made = version_of(list);
  call(list, "pop");
  call(list, "size");
  call(list, "clear");
  EXPECT_EQ(version_of(list), made);
  call(list, "append", arguments(1));
  const std::uint64_t appended = version_of(list);
  EXPECT_GT(appended, version_of(other));
  EXPECT_EQ(version_of(list), appended);
  call(other, "append", arguments(1));
  EXPECT_GT(version_of(other), appended);
  EXPECT_EQ(version_of(list), appended);
}

TEST_F(ManagerObjectTest, WhoWaitsForALockDoesNotChangeIt) {
  const core::ObjectId lock = driver_.create(client_, "lock", arguments());
  call(lock, "lock");
  const std::uint64_t held = version_of(lock);
  CoreDriver::Client other = driver_.open();
  const core::Seq waits = driver_.send(other, lock, "lock", arguments());
  EXPECT_EQ(version_of(lock), held);
  driver_.cancel(other, waits);
  EXPECT_EQ(version_of(lock), held);
  call(lock, "unlock");
  EXPECT_GT(version_of(lock), held);
}

}  // namespace
}  // namespace steward::detail::test
