// What a queue has handed out is one process's: a plain fork() leaves it with the parent.
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <steward/steward.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/general_road.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

using Frame = std::array<int, 4000>;  // too large for a ring's smallest blocks
using LoanedFrame = std::optional<proxy::Loan<Frame>>;
using ViewedFrame = std::optional<proxy::View<Frame>>;

int in_child(const std::function<bool()>& body) {
  return Forked([&](int) { return body() ? 0 : 1; }).join();
}

template <class F>
bool refused(F&& use, const std::string& what) {
  try {
    use();
  } catch (const BadCall& error) {
    return error.what() == what + ": it belongs to the process of which this one is a fork";
  }
  return false;
}

// Whether the queue has shared memory.
class ForkedItems : public testing::TestWithParam<bool> {
 protected:
  ForkedItems() {
    if (!GetParam()) general_.emplace();
    numbers = manager.queue<int>();
    frames = manager.queue<Frame>();
    EXPECT_EQ(numbers.transport(), GetParam() ? "shm" : "zmq");
    EXPECT_EQ(frames.transport(), numbers.transport());
  }

  Manager manager;
  Queue<int> numbers;
  Queue<Frame> frames;

 private:
  std::optional<GeneralRoad> general_;
};

TEST_P(ForkedItems, ADeliveryIsAcknowledgedByTheParentAlone) {
  numbers.put(1);
  std::optional<Delivery<int>> job = numbers.reserve(1h);
  EXPECT_EQ(in_child([&] {
    const bool right = refused([&] { job->ack(); }, "Delivery.ack") &&
                       refused([&] { job->nack(); }, "Delivery.nack") &&
                       refused([&] { job->touch(); }, "Delivery.touch") && job->value() == 1;
    job.reset();
    numbers.put(2);
    return right;
  }), 0);
  EXPECT_EQ(numbers.get(), 2);  // and not 1, given back
  EXPECT_TRUE(job->touch());
  EXPECT_TRUE(job->ack());
  EXPECT_TRUE(numbers.empty());
}

TEST_P(ForkedItems, ALoanIsPutByTheParentAlone) {
  LoanedFrame loan = frames.loan();
  (*loan)->fill(7);
  EXPECT_EQ(in_child([&] {
    const bool right = refused([&] { (*loan)->fill(8); }, "Loan") &&
                       refused([&] { (**loan)[0] = 8; }, "Loan") &&
                       refused([&] { loan->commit(); }, "Loan.commit");
    loan.reset();
    // The child's own calls are as ever.
    LoanedFrame own = frames.loan();
    (*own)->fill(1);
    own->commit();
    return right && frames.get()[0] == 1 && frames.empty();
  }), 0);
  EXPECT_TRUE(frames.empty());
  loan->commit();
  EXPECT_EQ(frames.get()[0], 7);
}

TEST_P(ForkedItems, AViewIsLookedAtByTheParentAlone) {
  Frame frame{};
  frame.fill(7);
  frames.put(frame);
  ViewedFrame view = frames.take();
  EXPECT_EQ(in_child([&] {
    const bool right = refused([&] { static_cast<void>((*view)->at(0)); }, "View") &&
                       refused([&] { static_cast<void>((**view)[0]); }, "View");
    { const proxy::View<Frame> moved = *std::move(view); }
    view.reset();
    frames.put(Frame{});
    return right;
  }), 0);
  EXPECT_EQ((*view)->at(3999), 7);
  view.reset();
  frames.task_done();
  EXPECT_EQ(frames.get()[0], 0);
  EXPECT_TRUE(frames.empty());
}

// The last that the child has of the queue.
TEST_P(ForkedItems, EndWellAsTheLastUsersOfTheirQueue) {
  numbers.put(1);
  frames.put(Frame{});
  std::optional<Delivery<int>> job = numbers.reserve(1h);
  LoanedFrame loan = frames.loan();
  ViewedFrame view = frames.take();
  EXPECT_EQ(in_child([&] {
    numbers = {};
    frames = {};
    job.reset();
    loan.reset();
    view.reset();
    return true;
  }), 0);
  EXPECT_TRUE(job->ack());
}

TEST_P(ForkedItems, OfTheChildItselfAreItsOwn) {
  numbers.put(1);
  EXPECT_EQ(in_child([&] {
    Delivery<int> job = numbers.reserve(1h);
    const int inner = in_child([&] { return refused([&] { job.ack(); }, "Delivery.ack"); });
    return inner == 0 && job.ack();
  }), 0);
  EXPECT_TRUE(numbers.empty());
}

TEST_P(ForkedItems, StayWithTheStarterOfAProcessThatIsForked) {
  frames.put(Frame{});
  auto view = std::make_shared<ViewedFrame>(frames.take());
  Process child({.start_method = StartMethod::fork}, [view] {
    const bool right = refused([&] { static_cast<void>((*view)->operator*()); }, "View");
    view->reset();
    std::exit(right ? 0 : 1);
  });
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ((*view)->operator*()[0], 0);
}

INSTANTIATE_TEST_SUITE_P(Roads, ForkedItems, testing::Values(true, false), [](const auto& road) {
  return road.param ? "SharedMemory" : "Manager";
});

}  // namespace
}  // namespace steward::detail::test
