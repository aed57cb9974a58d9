// The classes that every server has. They are registered in the same way as a user's.
#include <steward/manager/server/classes/dict.hpp>
#include <steward/manager/server/classes/list.hpp>
#include <steward/manager/server/classes/lock.hpp>
#include <steward/manager/server/classes/queue.hpp>

namespace steward::detail::server {

Registry builtin_classes() {
  Registry registry;
  registry.add(list_class());
  registry.add(dict_class());
  registry.add(queue_class());
  registry.add(lock_class());
  registry.add(rlock_class());
  return registry;
}

}  // namespace steward::detail::server
