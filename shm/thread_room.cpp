#include <steward/shm/thread_room.hpp>

#include <semaphore>
#include <system_error>
#include <thread>
#include <vector>

namespace steward::shm {

bool has_room_for_threads(int count) {
  std::counting_semaphore<> all_there(0);
  std::vector<std::thread> threads;
  bool room = true;
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back([&] { all_there.acquire(); });
  } catch (const std::system_error&) {
    room = false;
  }
  all_there.release(count);
  for (std::thread& thread : threads) thread.join();
  return room;
}

}  // namespace steward::shm
