// What becomes of a call that finds no memory.
#include <gtest/gtest.h>

#include <new>

#include <steward/core/errors.hpp>
#include <steward/manager/server/waiters.hpp>
#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

using server::OutOfMemory;

class Hungry final : public server::Object {
 public:
  explicit Hungry(const server::Environment&, server::Arguments& arguments) {
    if (arguments.more() && arguments.take<bool>()) throw std::bad_alloc();
  }
  std::int64_t read() const { throw std::bad_alloc(); }
  void change() { throw std::bad_alloc(); }
  void prepare() {
    server::preparing([] { throw std::bad_alloc(); });
  }
  server::Outcome wait(server::Call& call) {
    waiters_.park(call);
    return server::kParked;
  }
  void gave_up(server::ParkId, server::GaveUp, server::Context&) override {
    throw std::bad_alloc();
  }
  void save(server::Saver& out) const override { waiters_.save(out); }

 private:
  server::Waiters<> waiters_{*this};
};

class MemoryTest : public testing::Test {
 protected:
  static server::Registry registry() {
    using server::method;
    server::Registry registry;
    registry.add({"hungry",
                  server::create<Hungry>,
                  {method<&Hungry::read>("read"), method<&Hungry::change>("change"),
                   method<&Hungry::prepare>("prepare"), method<&Hungry::wait>("wait")}});
    return registry;
  }

  const server::Registry registry_ = registry();
  CoreDriver driver_{registry_};
  CoreDriver::Client client_ = driver_.open();
  core::ObjectId hungry_ = driver_.create(client_, "hungry", arguments());
};

TEST_F(MemoryTest, AReadThatFindsNoneIsOverloaded) {
  EXPECT_EQ(driver_.call(client_, hungry_, "read", arguments()).code,
            core::ErrorCode::overloaded);
}

TEST_F(MemoryTest, WhatFindsNoneBeforeItChangesAnythingIsOverloaded) {
  EXPECT_EQ(driver_.call(client_, hungry_, "prepare", arguments()).code,
            core::ErrorCode::overloaded);
  EXPECT_THROW(driver_.create(client_, "hungry", arguments(true)), Overloaded);
  EXPECT_EQ(driver_.core.number_of_objects(), 1U);
}

TEST_F(MemoryTest, AChangeThatFindsNoneEndsTheCore) {
  EXPECT_THROW(driver_.send(client_, hungry_, "change", arguments()), OutOfMemory);
}

TEST_F(MemoryTest, AnEndOfAWaitThatFindsNoneEndsTheCore) {
  const core::Seq seq = driver_.send(client_, hungry_, "wait", arguments());
  EXPECT_THROW(driver_.cancel(client_, seq), std::bad_alloc);
}

}  // namespace
}  // namespace steward::detail::test
