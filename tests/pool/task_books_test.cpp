// The books of a pool alone: no task is forgotten, whatever fails.
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/task_books.hpp>

namespace steward::detail::pool {
namespace {

class Nobody final : public Collector {
  void take(std::size_t, std::size_t, MessageReader) override {}
  void lose(std::size_t, std::size_t, const std::exception_ptr&) noexcept override {}
  void finish(std::size_t) override {}
};

std::shared_ptr<Job> job(JobNumber number) {
  return std::make_shared<Job>(number, "", std::make_unique<Nobody>(), Job::Tells::nothing);
}
TaskUnit unit(std::size_t place) { return {place, 1, "four", nullptr}; }
std::exception_ptr reason() { return std::make_exception_ptr(std::runtime_error("a reason")); }
const auto puts = [] { return true; };

std::vector<std::size_t> lost_places(TaskBooks& books) {
  std::vector<std::size_t> places;
  for (PoolTasks lost; !(lost = books.take_lost()).empty();) {
    EXPECT_NE(lost.front().why, nullptr);
    places.push_back(lost.front().unit.first);
  }
  return places;
}

TEST(TaskBooks, SendsInOrderAndWhatComesBackBeforeAllOthers) {
  TaskBooks books;
  const auto one = job(1);
  for (std::size_t i = 0; i < 3; ++i) books.add(one, unit(i));
  EXPECT_EQ(books.first().unit.first, 0U);
  EXPECT_TRUE(books.send_first(7, puts));
  EXPECT_EQ(books.first().unit.first, 1U);
  EXPECT_EQ(books.sent_bytes(), 4U);
  books.send_again(7);
  EXPECT_EQ(books.first().unit.first, 0U);
  EXPECT_EQ(books.sent(), 0U);
  EXPECT_EQ(books.sent_bytes(), 0U);
}

TEST(TaskBooks, ATaskThatCannotBeSentWaitsOn) {
  TaskBooks books;
  books.add(job(1), unit(0));
  EXPECT_FALSE(books.send_first(1, [] { return false; }));
  EXPECT_THROW(books.send_first(2, []() -> bool { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_EQ(books.sent(), 0U);
  ASSERT_TRUE(books.somebody_waits());
  books.lose_first(reason());
  EXPECT_EQ(lost_places(books), std::vector<std::size_t>{0});
}

TEST(TaskBooks, LosesAllTasksOfAJobWhereverTheyAreAndNoOthers) {
  TaskBooks books;
  const auto mine = job(1);
  const auto other = job(2);
  for (std::size_t i = 0; i < 4; ++i) books.add(i % 2 == 0 ? mine : other, unit(i));
  books.send_first(1, puts);
  books.send_first(2, puts);
  books.lose_all(*mine, reason());
  EXPECT_EQ(lost_places(books), (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(books.find(1), nullptr);
  EXPECT_EQ(books.find(2)->unit.first, 1U);
  EXPECT_EQ(books.sent(), 2U) << "counted until the worker answers";
  EXPECT_TRUE(books.take(1).empty());
  EXPECT_EQ(books.take(2).front().unit.first, 1U);
  EXPECT_EQ(books.sent(), 0U);
  EXPECT_EQ(books.first().unit.first, 3U);
}

TEST(TaskBooks, WhatIsHeldBackWaitsInItsOrderOnceItIsLetGoBehindWhatOthersHaveAdded) {
  TaskBooks books;
  const auto mine = job(1);
  books.add(mine, unit(0));
  for (std::size_t i = 1; i < 4; ++i) books.add(mine, unit(i), TaskBooks::Place::held_back);
  EXPECT_EQ(mine->under_way.tasks, 1U);
  books.add(job(2), unit(9));
  books.let_go(*mine);
  books.let_go(*mine);
  EXPECT_TRUE(mine->holds_back());
  EXPECT_EQ(mine->under_way.tasks, 3U);
  std::vector<std::size_t> sent;
  for (Ticket ticket = 1; books.somebody_waits(); ++ticket) {
    sent.push_back(books.first().unit.first);
    books.send_first(ticket, puts);
  }
  EXPECT_EQ(sent, (std::vector<std::size_t>{0, 9, 1, 2}));
  books.let_all_go();
  EXPECT_FALSE(mine->holds_back());
  EXPECT_EQ(books.first().unit.first, 3U);
}

TEST(TaskBooks, LosesWhatIsHeldBackToo) {
  TaskBooks books;
  const auto mine = job(1);
  for (std::size_t i = 0; i < 3; ++i) books.add(mine, unit(i), TaskBooks::Place::held_back);
  books.let_go(*mine);
  books.lose_all(*mine, reason());
  EXPECT_FALSE(mine->holds_back());
  EXPECT_EQ(mine->under_way.tasks, 0U);
  books.add(mine, unit(3), TaskBooks::Place::held_back);
  books.lose_all(reason());
  EXPECT_FALSE(mine->holds_back());
  EXPECT_EQ(lost_places(books), (std::vector<std::size_t>{0, 1, 2, 3}));
}

TEST(TaskBooks, LosesAllThereIs) {
  TaskBooks books;
  for (std::size_t i = 0; i < 3; ++i) books.add(job(i + 1), unit(i));
  books.send_first(1, puts);
  books.lose_all(reason());
  books.forget_sent();
  EXPECT_FALSE(books.somebody_waits());
  EXPECT_EQ(books.sent(), 0U);
  EXPECT_EQ(books.sent_bytes(), 0U);
  EXPECT_EQ(lost_places(books), (std::vector<std::size_t>{0, 1, 2}));
}

// Of so many a walk over all tasks for each would take a minute.
TEST(TaskBooks, ManyJobsAreLostOneByOne) {
  TaskBooks books;
  std::vector<std::shared_ptr<Job>> jobs;
  for (std::size_t i = 0; i < 200'000; ++i) {
    jobs.push_back(job(i + 1));
    books.add(jobs.back(), unit(i));
  }
  for (; !jobs.empty(); jobs.pop_back()) books.lose_all(*jobs.back(), reason());
  EXPECT_EQ(lost_places(books).size(), 200'000U);
}

}  // namespace
}  // namespace steward::detail::pool
